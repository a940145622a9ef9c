//! What the documentation shows, taken apart so that it can be run: fenced blocks, and the commands in them with what
//! they print.
//!
//! Owns reading; never runs anything. A block is marked by the words after its fence: `sh NAME` is a script that some
//! test runs under this name, `console` holds commands after `$ ` and what they print, `console no-daemon` those that
//! need no daemon. In what is printed `…` stands for anything within a line, and alone on a line for any lines.

/// A fenced block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'text> {
    /// The words after the fence.
    pub mark: &'text str,
    pub body: &'text str,
}

/// All fenced blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((mark, after)) = opening(rest) {
        let end = after.find("\n```").map_or(after.len(), |end| end + 1);
        // An empty block closes at once.
        let end = if after.starts_with("```") { 0 } else { end };
        let body = &after[..end];
        found.push(Block { mark, body });
        rest = after[end..].split_once('\n').map_or("", |(_, rest)| rest);
    }
    found
}

/// The words after the next fence, and everything below it.
fn opening(text: &str) -> Option<(&str, &str)> {
    let below = match text.strip_prefix("```") {
        Some(below) => below,
        None => text.split_once("\n```")?.1,
    };
    let (mark, after) = below.split_once('\n')?;
    Some((mark.trim(), after))
}

/// A command, and the lines it prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example<'text> {
    pub command: &'text str,
    pub prints: Vec<&'text str>,
}

/// The commands of a `console` block; what stands before the first is nobody's.
pub fn examples(body: &str) -> Vec<Example<'_>> {
    let mut found: Vec<Example<'_>> = Vec::new();
    for line in body.lines() {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => found.push(Example {
                command,
                prints: Vec::new(),
            }),
            (None, Some(example)) => example.prints.push(line.trim_end()),
            (None, None) => {}
        }
    }
    found
}

impl Example<'_> {
    /// What is wrong with this output, in a sentence.
    pub fn differs(&self, printed: &str) -> Option<String> {
        let printed: Vec<&str> = printed.trim_end().lines().map(str::trim_end).collect();
        let expected: Vec<&str> = match self.prints.iter().rposition(|line| !line.is_empty()) {
            Some(last) => self.prints[..=last].to_vec(),
            None => Vec::new(),
        };
        (!lines_match(&expected, &printed)).then(|| {
            format!(
                "`{}` is said to print\n{}\nand prints\n{}",
                self.command,
                expected.join("\n"),
                printed.join("\n")
            )
        })
    }
}

fn lines_match(expected: &[&str], printed: &[&str]) -> bool {
    match expected {
        [] => printed.is_empty(),
        ["…", rest @ ..] => (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..])),
        [line, rest @ ..] => printed
            .split_first()
            .is_some_and(|(first, others)| line_matches(line, first) && lines_match(rest, others)),
    }
}

/// Spans of spaces count as one: columns are as wide as what they hold.
fn line_matches(expected: &str, printed: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (expected, printed) = (squeezed(expected), squeezed(printed));
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "# Page\n\n```sh one\ntrue\n```\ntext\n```console\n$ first\nsaid\n\n$ second\n```\n\n```\n```\nend\n";

    #[test]
    fn blocks_are_found_with_their_marks() {
        let found = blocks(PAGE);
        let marks: Vec<_> = found.iter().map(|block| block.mark).collect();
        assert_eq!(marks, ["sh one", "console", ""]);
        assert_eq!(found[0].body, "true\n");
        assert_eq!(found[2].body, "");
    }

    #[test]
    fn commands_are_told_from_what_they_print() {
        let found = examples(blocks(PAGE)[1].body);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].command, "first");
        assert_eq!(found[0].differs("said\n"), None);
        assert!(found[0].differs("other\n").is_some() && found[0].differs("said\nmore\n").is_some());
        assert_eq!(found[1].differs(""), None);
        assert!(found[1].differs("something\n").is_some());
    }

    #[test]
    fn an_ellipsis_stands_for_anything_in_a_line_or_for_any_lines() {
        for (expected, printed, matches) in [
            ("a … c", "a b b  c", true),
            ("a … c", "a b", false),
            ("… lost", "0 lost", true),
            ("… lost", "0 lost!", false),
            ("a…", "a", true),
            ("one  two", "one two", true),
        ] {
            assert_eq!(line_matches(expected, printed), matches, "{expected} {printed}");
        }
        assert!(lines_match(&["a", "…", "z"], &["a", "b", "c", "z"]));
        assert!(lines_match(&["…"], &[]));
        assert!(!lines_match(&["a", "…", "z"], &["a", "z", "b"]));
    }
}
