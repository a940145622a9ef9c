//! Consent to an order for several services at once: on a terminal it is asked for, elsewhere `--yes` gives it.

use std::io::{self, IsTerminal};

use clap::Args;

use super::exit::Usage;

#[derive(Debug, Args)]
pub(super) struct ConsentArgs {
    /// Do not ask, although --server ADDR is for more than one service.
    #[arg(long)]
    yes: bool,
}

impl ConsentArgs {
    /// Whether somebody must be asked; an error if nobody can be.
    pub(super) fn must_ask(&self, verb: &str, places: usize) -> Result<bool, Usage> {
        let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        must_ask(self.yes, is_terminal, verb, places)
    }
}

/// See [`ConsentArgs::must_ask`].
pub(super) fn must_ask(yes: bool, is_terminal: bool, verb: &str, places: usize) -> Result<bool, Usage> {
    match (yes, places) {
        (true, _) | (_, 0 | 1) => Ok(false),
        _ if is_terminal => Ok(true),
        _ => Err(Usage(format!(
            "this would {verb} {places} real servers, and nobody can be asked: give --yes"
        ))),
    }
}

/// Asks on the terminal. Whatever is not a yes is a no.
pub(super) fn ask(question: &str) -> io::Result<bool> {
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_asked_where_there_is_more_than_one_place_and_a_terminal() {
        assert!(!must_ask(false, false, "drain", 1).unwrap());
        assert!(must_ask(false, true, "drain", 2).unwrap());
        assert!(!must_ask(true, false, "drain", 2).unwrap());
        let said = must_ask(false, false, "drain", 2).unwrap_err().to_string();
        assert!(
            said.contains("drain 2 real servers") && said.contains("--yes"),
            "{said}"
        );
    }
}
