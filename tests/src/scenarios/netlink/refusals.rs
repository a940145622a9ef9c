//! What the kernel refuses, and the error each refusal becomes.

use anyhow::{bail, ensure};
use ipvsdrain::ipvs::{Destination, Error, Forwarding, Ipvs, ServiceFlags};
use nix::errno::Errno;
use nix::libc;

use super::{named, server, service};

pub(super) async fn missing_services(ipvs: &Ipvs) -> anyhow::Result<()> {
    let (empty, missing) = (named("udp:10.0.0.2:514"), named("udp:10.9.9.9:53"));
    let there = server("10.1.0.5:53", Forwarding::DirectRoute, 1);

    ensure!(
        ipvs.destinations(&empty).await?.is_empty(),
        "a service without servers has none"
    );
    let no_service = |error: &Error| matches!(error, Error::NoService { service, .. } if *service == missing);
    ensure_refused(
        "destinations of no service",
        ipvs.destinations(&missing).await,
        no_service,
    )?;
    ensure_refused("no service", ipvs.service(&missing).await, no_service)?;
    ensure_refused(
        "a server of no service",
        ipvs.destination(&missing, &there.server).await,
        no_service,
    )?;
    ensure_refused(
        "weight in no service",
        ipvs.set_weight(&missing, &there.server, 0).await,
        no_service,
    )?;
    ensure_refused(
        "change in no service",
        ipvs.set_destination(&missing, &there).await,
        no_service,
    )?;
    ensure_refused(
        "add to no service",
        ipvs.add_destination(&missing, &there).await,
        no_service,
    )?;
    ensure_refused(
        "remove from no service",
        ipvs.remove_destination(&missing, &there.server).await,
        no_service,
    )?;
    ensure_refused(
        "remove no service",
        ipvs.remove_service(&missing).await,
        no_service,
    )?;
    let flags = ServiceFlags::SCHED1;
    ensure_refused(
        "flags of no service",
        ipvs.set_service_flags(&missing, flags, flags).await,
        no_service,
    )?;
    Ok(())
}

pub(super) async fn refused_servers(ipvs: &Ipvs) -> anyhow::Result<()> {
    let dns = named("udp:10.0.0.1:53");
    let there = server("10.1.0.5:53", Forwarding::DirectRoute, 1);
    let stranger = server("10.9.9.9:53", Forwarding::DirectRoute, 1);
    let no_server = |error: &Error| matches!(error, Error::NoServer { service, server, .. } if *service == dns && *server == stranger.server);
    ensure_refused(
        "no server",
        ipvs.destination(&dns, &stranger.server).await,
        no_server,
    )?;
    ensure_refused(
        "weight of no server",
        ipvs.set_weight(&dns, &stranger.server, 0).await,
        no_server,
    )?;
    ensure_refused(
        "change no server",
        ipvs.set_destination(&dns, &stranger).await,
        no_server,
    )?;
    ensure_refused(
        "remove no server",
        ipvs.remove_destination(&dns, &stranger.server).await,
        no_server,
    )?;

    let exists = |error: &Error| matches!(error, Error::Exists { .. });
    ensure_refused(
        "the server twice",
        ipvs.add_destination(&dns, &there).await,
        exists,
    )?;
    ensure_refused(
        "the service twice",
        ipvs.add_service(&service("fwmark:7", "rr", u32::MAX)).await,
        exists,
    )?;

    let refused = |wanted: Errno| move |error: &Error| matches!(error, Error::Refused { errno, .. } if *errno == wanted);
    let unknown = service("udp:10.9.9.9:53", "nosuch", u32::MAX);
    ensure_refused(
        "no scheduler",
        ipvs.add_service(&unknown).await,
        refused(Errno::ENOENT),
    )?;
    let heavy = ipvs.set_weight(&dns, &there.server, 1 << 31).await;
    ensure_refused("a weight beyond the range", heavy, refused(Errno::ERANGE))?;
    let crossed = Destination {
        upper_threshold: 1,
        lower_threshold: 2,
        ..stranger.clone()
    };
    ensure_refused(
        "crossed thresholds",
        ipvs.add_destination(&dns, &crossed).await,
        refused(Errno::ERANGE),
    )?;
    let mixed = server("[2001:db8::9]:53", Forwarding::DirectRoute, 1);
    ensure_refused(
        "mixed families",
        ipvs.add_destination(&dns, &mixed).await,
        refused(Errno::EINVAL),
    )?;
    Ok(())
}

/// A thread without the capability, as any unprivileged process is.
pub(super) fn without_permission() -> anyhow::Result<()> {
    let thread = std::thread::spawn(|| -> anyhow::Result<()> {
        let nobody: libc::c_long = 65534;
        // SAFETY: the raw call changes this thread alone, and this thread ends with this closure.
        let done = unsafe { libc::syscall(libc::SYS_setresuid, -1, nobody, -1) };
        ensure!(
            done == 0,
            "cannot become nobody: {}",
            std::io::Error::last_os_error()
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let ipvs = Ipvs::connect().await?;
            let denied = |error: &Error| matches!(error, Error::NotPermitted { .. });
            let dns = named("udp:10.0.0.1:53");
            ensure_refused("info", ipvs.info().await, denied)?;
            ensure_refused("services", ipvs.services().await, denied)?;
            ensure_refused("destinations", ipvs.destinations(&dns).await, denied)?;
            ensure_refused("remove", ipvs.remove_service(&dns).await, denied)
        })
    });
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("the unprivileged thread panicked"))?
}

fn ensure_refused<T>(
    what: &str,
    answer: Result<T, Error>,
    right: impl Fn(&Error) -> bool,
) -> anyhow::Result<()> {
    match answer {
        Ok(_) => bail!("{what}: it was not refused"),
        Err(error) => {
            ensure!(right(&error), "{what}: refused for the wrong reason: {error}");
            Ok(())
        }
    }
}
