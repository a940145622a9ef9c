//! The one that asks, for all open pages: at most once a second, and only while there is one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::Shared;
use super::{Page, view};
use crate::clock;
use crate::moment::Moment;
use crate::supervise::{Command, Overview};

const EVERY: Duration = Duration::from_secs(1);
/// A loop that has not answered by then is as good as hung.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything at one moment, written once for all readers.
#[derive(Debug)]
pub(super) struct Shot {
    pub(super) number: u64,
    pub(super) at: Moment,
    pub(super) text: String,
}

/// A page that opens now may begin with it.
pub(super) fn is_fresh(shot: &Shot) -> bool {
    clock::now().since(shot.at) <= EVERY
}

pub(super) async fn sample(shared: &Shared) {
    let page = &shared.page;
    for number in 0.. {
        somebody_looks(page).await;
        let overview = look(shared).await;
        let at = clock::now();
        let text = view::written(shared, overview);
        page.shots.send_replace(Some(Arc::new(Shot { number, at, text })));
        sleep(EVERY).await;
    }
}

async fn somebody_looks(page: &Page) {
    while page.shots.receiver_count() == 0 {
        page.wanted.notified().await;
    }
}

/// Or why there is no answer.
async fn look(shared: &Shared) -> Result<Overview, String> {
    let asked = shared.handle.ask(|reply| Command::Overview { reply });
    match timeout(PATIENCE, asked).await {
        Ok(Ok(overview)) => Ok(overview),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "the daemon's loop has not answered for {} s",
            PATIENCE.as_secs()
        )),
    }
}
