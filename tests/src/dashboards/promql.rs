//! What an expression of PromQL names: the series it reads, the labels it compares or groups by, and whether it may
//! rightly find nothing.
//!
//! Reads just enough of the language for that. Whether an expression is one is said by promtool and by Prometheus.

/// A metric with the labels that choose among its series: `up{job="a"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector<'text> {
    pub metric: &'text str,
    pub labels: Vec<&'text str>,
    /// As it is written, without a range.
    pub text: &'text str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    Quoted,
    Sign,
}

#[derive(Debug, Clone, Copy)]
struct Token<'text> {
    kind: Kind,
    text: &'text str,
    begin: usize,
}

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"];
const COMPARISONS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];

/// Every series that is read, in order.
pub fn selectors(expr: &str) -> Vec<Selector<'_>> {
    let tokens = tokens(expr);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        if token.kind != Kind::Word || OPERATORS.contains(&token.text) {
            continue;
        }
        let next = tokens.get(at).map_or("", |next| next.text);
        if GROUPING.contains(&token.text) {
            at = past(&tokens, at, "(", ")");
        } else if next != "(" && !GROUPING[..2].contains(&next) {
            let end = past(&tokens, at, "{", "}");
            let last = tokens[end - 1];
            found.push(Selector {
                metric: token.text,
                labels: words(&tokens[at..end]),
                text: &expr[token.begin..last.begin + last.text.len()],
            });
            at = end;
        }
    }
    found
}

/// The labels by which series are grouped or matched.
pub fn grouping(expr: &str) -> Vec<&str> {
    let tokens = tokens(expr);
    let lists = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| GROUPING.contains(&token.text));
    lists
        .flat_map(|(at, _)| words(&tokens[at + 1..past(&tokens, at + 1, "(", ")")]))
        .collect()
}

/// Whether it keeps only some of what it reads, so that nothing at all may be a good answer.
pub fn filters(expr: &str) -> bool {
    let mut braces = 0;
    let tokens = tokens(expr);
    tokens.iter().enumerate().any(|(at, token)| {
        braces += i32::from(token.text == "{") - i32::from(token.text == "}");
        let keeps_all = tokens.get(at + 1).is_some_and(|next| next.text == "bool");
        let compares = braces == 0 && COMPARISONS.contains(&token.text) && !keeps_all;
        compares || (token.kind == Kind::Word && ["unless", "absent"].contains(&token.text))
    })
}

/// Where the list ends that begins at `at`, if one begins there.
fn past(tokens: &[Token<'_>], at: usize, open: &str, close: &str) -> usize {
    if tokens.get(at).is_none_or(|token| token.text != open) {
        return at;
    }
    let length = tokens[at..].iter().position(|token| token.text == close);
    length.map_or(tokens.len(), |length| at + length + 1)
}

fn words<'text>(tokens: &[Token<'text>]) -> Vec<&'text str> {
    let words = tokens.iter().filter(|token| token.kind == Kind::Word);
    words.map(|token| token.text).collect()
}

fn tokens(expr: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut begin = 0;
    while let Some(first) = expr[begin..].chars().next() {
        let rest = &expr[begin..];
        let (kind, length) = match first {
            '"' | '\'' => (Kind::Quoted, quoted(rest, first)),
            '0'..='9' => (
                Kind::Number,
                run(rest, |letter| letter.is_alphanumeric() || letter == '.'),
            ),
            _ if first.is_alphabetic() || "_:".contains(first) => (
                Kind::Word,
                run(rest, |letter| letter.is_alphanumeric() || "_:".contains(letter)),
            ),
            '=' | '!' | '<' | '>' if rest[1..].starts_with(['=', '~']) => (Kind::Sign, 2),
            _ => (Kind::Sign, first.len_utf8()),
        };
        let text = &rest[..length];
        if !first.is_whitespace() {
            found.push(Token { kind, text, begin });
        }
        begin += length;
    }
    found
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !belongs(letter)).unwrap_or(text.len())
}

/// The length of a text in quotes, with both quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if letter == quote && !escaped {
            return at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_told_from_functions_operators_and_labels() {
        for (expr, expected) in [
            ("up", vec!["up"]),
            (r#"up{job="a b",x!~"}"} == 0"#, vec![r#"up{job="a b",x!~"}"}"#]),
            (
                "sum by (a, b) (rate(one_total{c=~\".*\"}[1m]))",
                vec!["one_total{c=~\".*\"}"],
            ),
            ("sum(one) by (a) / on (a) group_left (b) two", vec!["one", "two"]),
            ("one unless on (a) two offset 5m or vector(0)", vec!["one", "two"]),
            ("a:b:c > 0.9 and -1e3 * one", vec!["a:b:c", "one"]),
            (
                r#"label_replace(one, "a", "$1 \" two", "b", "(.*)")"#,
                vec!["one"],
            ),
        ] {
            let found: Vec<_> = selectors(expr).iter().map(|selector| selector.text).collect();
            assert_eq!(found, expected, "{expr}");
        }
        assert_eq!(selectors(r#"up{job="a", x!~"b"}"#)[0].labels, ["job", "x"]);
    }

    #[test]
    fn grouping_labels_are_found_wherever_they_stand() {
        assert_eq!(
            grouping("sum by (a, b) (x) / on (c) group_left y"),
            ["a", "b", "c"]
        );
        assert!(grouping("sum(x{by=\"a\"})").is_empty());
    }

    #[test]
    fn what_may_rightly_find_nothing_is_told() {
        for (expr, expected) in [
            ("up", false),
            ("up == 0", true),
            ("up == bool 0", false),
            (r#"up{job!="a"}"#, false),
            ("absent(up)", true),
            ("one unless two", true),
            ("one or two", false),
        ] {
            assert_eq!(filters(expr), expected, "{expr}");
        }
    }
}
