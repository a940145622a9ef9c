//! Puts plots and tables where they are read: in `docs/benchmark.md` between two marks, for results of the repository; in
//! the folder of the results, for others.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::record::{Record, Records};
use super::verdict::Verdict;
use super::{grid, table, tradeoff, why};
use crate::cache;

const PAGE: &str = "docs/benchmark.md";
const BEGIN: &str = "<!-- results: begin; written by `cargo xtask bench loss` -->\n";
const END: &str = "<!-- results: end -->";
const GRID: &str = "loss.svg";
const TRADEOFF: &str = "loss-and-time.svg";

pub(super) fn write(
    folder: &Path,
    records: &Records,
    verdict: &Verdict,
    is_in_repository: bool,
) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, plot) in [(GRID, grid::draw(records)), (TRADEOFF, tradeoff::draw(records))] {
        let path = folder.join(name);
        fs::write(&path, plot).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let (path, text) = if is_in_repository {
        let path = cache::workspace().join(PAGE);
        let page = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = between(&page, &results(records, verdict, "benchmark/"))
            .with_context(|| format!("{} has no place for results: {BEGIN}{END}", path.display()))?;
        (path, text)
    } else {
        (folder.join("loss.md"), results(records, verdict, ""))
    };
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("bench: the report is {}", path.display());
    Ok(())
}

fn between(page: &str, results: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{results}\n{END}{after}"))
}

/// `folder` is where the plots are, from the page.
fn results(records: &Records, verdict: &Verdict, folder: &str) -> String {
    let set = |what: fn(&Record) -> &str| {
        let words: BTreeSet<&str> = records.all().map(what).collect();
        words.into_iter().collect::<Vec<_>>().join(", ")
    };
    let valid = records.all().filter(|record| record.valid().is_some()).count();
    let mut text = format!(
        "{valid} cells, on kernels {}, at commit {}.\n\n![strategies by traffic: harm and time]({folder}{GRID})\n\n\
         ![harm against time, by traffic]({folder}{TRADEOFF})\n\nWhat the command says of ipvsdrain at its end:\n\n```\n{}\n```\n\n### Why cells are not zero\n\n{}\n{}",
        set(|record| &record.release),
        set(|record| &record.commit),
        verdict,
        why::list(records),
        table::tables(records)
    );
    let void: Vec<&Record> = records.all().filter(|record| record.valid().is_none()).collect();
    if !void.is_empty() {
        let _ = write!(text, "### Void\n\nWithout a result that means something:\n\n");
    }
    for record in void {
        let why = record.void.as_deref().unwrap_or("it cannot be read");
        let _ = writeln!(text, "- {}: {}", record.key, first_line(why));
    }
    text.trim_end().to_owned() + "\n"
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loss::record::tests::record;

    #[test]
    fn results_replace_those_before_and_nothing_else() {
        let page = format!("above\n{BEGIN}old\n{END}\nbelow\n");
        let once = between(&page, "new\n").unwrap();
        assert!(once.starts_with("above\n") && once.ends_with("\nbelow\n"));
        assert!(once.contains("new") && !once.contains("old"));
        assert_eq!(between(&once, "new\n").unwrap(), once);
        assert_eq!(between("no marks", "new"), None);
    }

    #[test]
    fn what_is_void_is_listed_with_the_reason() {
        let mut records = Records::default();
        records.take(record("6.1", "dns", "delete", None));
        records.take(record("7", "dns", "delete", Some("too busy\nand more")));
        let text = results(&records, &Verdict::of(&records), "");
        assert!(text.starts_with("1 cells"), "{text}");
        assert!(text.contains("`delete`: too busy\n"), "{text}");
    }
}
