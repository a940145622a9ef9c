//! Whole lines out of chunks that end anywhere, in bounded memory.

/// Beyond this a line is cut. All that is read of one fits into half of it; what follows belongs to a persistence
/// engine.
const LONGEST: usize = 512;

/// The line under way.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Hands every line that `chunk` completes to `each`, without its line feed.
    pub(super) fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(&[u8])) {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.keep(&rest[..end]);
            each(&self.pending);
            self.pending.clear();
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    /// The file is over: a line without a line feed is a line, too.
    pub(super) fn finish(self, each: impl FnOnce(&[u8])) {
        if !self.pending.is_empty() {
            each(&self.pending);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST - self.pending.len();
        self.pending.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.feed(chunk, |line| found.push(line.to_vec()));
        }
        lines.finish(|line| found.push(line.to_vec()));
        found
    }

    #[test]
    fn chunks_may_end_anywhere() {
        let whole = [b"one".to_vec(), b"".to_vec(), b"three".to_vec()];
        assert_eq!(split(&[b"one\n\nthree"]), whole);
        assert_eq!(split(&[b"on", b"e\n", b"\nth", b"", b"ree\n"]), whole);
    }

    #[test]
    fn an_endless_line_takes_no_endless_room() {
        let chunk = [b'x'; 4096];
        let found = split(&[&chunk, &chunk, b"\nnext\n"]);
        assert_eq!(
            (found[0].len(), found[1].as_slice()),
            (LONGEST, b"next".as_slice())
        );
    }
}
