//! Where the daemon can be looked at over HTTP, as its configuration says.

use tracing::{info, warn};

use super::configured::Configured;
use crate::config::{DEFAULT_LISTEN, Listen};
use crate::supervise::Handle;
use crate::web::{Web, WebError};

/// Listens, or not: `None` where that is not wanted, or not said and not possible.
pub(super) async fn bind(configured: &Configured, handle: &Handle) -> Result<Option<Web>, WebError> {
    let config = configured.current();
    let listen = config.borrow().settings.web.listen;
    let address = match listen {
        Some(Listen::Off) => return Ok(None),
        Some(Listen::At(address)) => address,
        None => DEFAULT_LISTEN,
    };
    let bound = Web::bind(address, handle.clone(), config, configured.reloads())
        .await
        .map(|web| web.guarded(configured.guard()));
    or_without(listen, bound).inspect(|web| {
        if web.is_some() {
            info!(%address, "metrics");
        }
    })
}

/// What was asked for is insisted on. The built-in default may be another daemon's: nobody has to care about that.
fn or_without<T>(listen: Option<Listen>, bound: Result<T, WebError>) -> Result<Option<T>, WebError> {
    match bound {
        Err(error @ WebError::Listen(..)) if listen.is_none() => {
            warn!("no metrics: {error}");
            Ok(None)
        }
        bound => bound.map(Some),
    }
}

/// Serves, or waits for ever where there is nothing to serve.
pub(super) async fn serve(web: Option<Web>) -> std::io::Result<()> {
    match web {
        Some(web) => web.serve().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_address_that_was_named_is_insisted_on_and_the_default_is_not() {
        let taken = || Err::<(), _>(WebError::Listen(DEFAULT_LISTEN, io::ErrorKind::AddrInUse.into()));
        assert!(matches!(or_without(None, taken()), Ok(None)));
        let named = or_without(Some(Listen::At(DEFAULT_LISTEN)), taken()).unwrap_err();
        let said = named.to_string();
        assert!(
            said.starts_with("cannot listen on 127.0.0.1:9969") && said.contains("[web]"),
            "{said}"
        );
        assert!(matches!(or_without(None, Ok(())), Ok(Some(()))));
    }
}
