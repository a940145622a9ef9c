//! What may be said to the daemon on its command line, and what it runs with: the command line wins over the
//! configuration, that over what is built in.

use std::path::PathBuf;

use clap::{Args, value_parser};

use crate::api::DEFAULT_SOCKET;
use crate::config::{DEFAULT_STATE, DaemonSettings, FEWEST_FLOWS, LogFormat, MOST_FLOWS};
use crate::supervise::{Preference, Rung, Sources};

#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Where to listen; the socket for those who may only look lies beside it.
    /// [default: /run/ipvsdrain/ipvsdrain.sock]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Folder of the journal. [default: /var/lib/ipvsdrain]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Load these eBPF programs instead of the embedded ones.
    #[arg(long, value_name = "PATH")]
    object: Option<PathBuf>,
    /// Read the layout of ip_vs from this BTF instead of the running kernel's.
    #[arg(long, value_name = "PATH")]
    module_btf: Option<PathBuf>,
    /// How many flows can be tracked at once, over all servers being drained: 16 bytes of kernel memory for each
    /// that there could be, 192 more for each that there is. [default: 262144]
    #[arg(long, value_name = "FLOWS", value_parser = value_parser!(u32).range(i64::from(FEWEST_FLOWS)..=i64::from(MOST_FLOWS)))]
    flow_capacity: Option<u32>,
    /// How to count what arrives, and so what is lost: `auto` (a TC classifier, else generic XDP), `xdp` (native,
    /// else generic, else a classifier), `xdp-generic` (generic, else a classifier) or `off`. Before Linux 6.6 a
    /// classifier is possible only on interfaces that have a `clsact`. [default: auto]
    #[arg(long, value_name = "HOW")]
    arrivals: Option<Preference>,
    /// Count arrivals on this interface alone; may be given more than once. [default: all that bring packets in]
    #[arg(long = "interface", value_name = "NAME")]
    interfaces: Vec<String>,
    /// Where what is counted outlives this daemon: a folder of a bpf file system. [default: /sys/fs/bpf/ipvsdrain]
    #[arg(long, value_name = "DIR")]
    pins: Option<PathBuf>,
    /// Hold drains rather than observe by less than this: `probes`, `arrivals` or `counters`. [default: counters]
    #[arg(long, value_name = "RUNG")]
    lowest_rung: Option<Rung>,
    /// How log lines are written. [default: human]
    #[arg(long, value_name = "FORMAT")]
    log: Option<LogFormat>,
}

/// What the daemon runs with.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) socket: PathBuf,
    pub(super) group: Option<String>,
    pub(super) read_group: Option<String>,
    pub(super) state: PathBuf,
    pub(super) log: LogFormat,
    pub(super) pins: PathBuf,
    pub(super) sources: Sources,
}

impl Options {
    pub(super) fn over(self, settings: &DaemonSettings) -> Setup {
        let configured = settings.clone();
        let pins = self
            .pins
            .or(configured.pins)
            .unwrap_or_else(|| "/sys/fs/bpf/ipvsdrain".into());
        let interfaces = if self.interfaces.is_empty() {
            configured.interfaces
        } else {
            self.interfaces
        };
        Setup {
            socket: self
                .socket
                .or(configured.socket)
                .unwrap_or_else(|| DEFAULT_SOCKET.into()),
            group: configured.group,
            read_group: configured.read_group,
            state: self
                .state
                .or(configured.state)
                .unwrap_or_else(|| DEFAULT_STATE.into()),
            log: self.log.or(configured.log).unwrap_or_default(),
            sources: Sources {
                object: self.object,
                module_btf: self.module_btf,
                flow_capacity: self.flow_capacity.or(configured.flow_capacity),
                pins: Some(pins.clone()),
                arrivals: self.arrivals.or(configured.arrivals).unwrap_or_default(),
                interfaces,
                lowest: Some(
                    self.lowest_rung
                        .or(configured.lowest_rung)
                        .unwrap_or(Rung::Counters),
                ),
                ..Sources::default()
            },
            pins,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(words: &[&str]) -> Result<Options, String> {
        let line = Line::try_parse_from([&["daemon"], words].concat());
        line.map(|line| line.options).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flow_capacity_out_of_range_is_refused_with_the_range() {
        let capacity = |text: &str| options(&["--flow-capacity", text]).map(|options| options.flow_capacity);
        assert_eq!(capacity("1000"), Ok(Some(1000)));
        assert_eq!(capacity("16777216"), Ok(Some(1 << 24)));
        for text in ["0", "999", "16777217", "many"] {
            let said = capacity(text).unwrap_err();
            assert!(said.contains("--flow-capacity"), "{said}");
        }
        assert!(capacity("999").unwrap_err().contains("1000..=16777216"));
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_that_over_what_is_built_in() {
        let file = DaemonSettings {
            state: Some("/file/state".into()),
            socket: Some("/file/socket".into()),
            arrivals: Some(Preference::Off),
            log: Some(LogFormat::Json),
            ..DaemonSettings::default()
        };
        let setup = options(&["--state", "/line/state", "--log", "human"])
            .unwrap()
            .over(&file);
        assert_eq!(setup.state, PathBuf::from("/line/state"));
        assert_eq!(setup.socket, PathBuf::from("/file/socket"));
        assert_eq!(
            (setup.log, setup.sources.arrivals),
            (LogFormat::Human, Preference::Off)
        );
        assert_eq!(setup.pins, PathBuf::from("/sys/fs/bpf/ipvsdrain"));
        assert_eq!(setup.sources.lowest, Some(Rung::Counters));
    }
}
