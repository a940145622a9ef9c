//! Bytes written as hexadecimal digits, in pairs; spaces may stand between them.

/// # Errors
/// What is no pair of digits.
pub(super) fn read(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let byte = |pair: &[char]| {
        let value = |c: &char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match pair {
            [high, low] => Some(value(high)? << 4 | value(low)?),
            _ => None,
        }
    };
    digits
        .chunks(2)
        .map(|pair| {
            let shown = || pair.iter().collect::<String>();
            byte(pair).ok_or_else(|| format!("`{}` is no byte: write two digits of 0-9 and a-f", shown()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_of_digits_are_bytes_and_nothing_else_is() {
        assert_eq!(read("00 ffA0"), Ok(vec![0, 255, 160]));
        assert_eq!(read(""), Ok(vec![]));
        for odd in ["0", "0g", "00 f", "+1", "ää"] {
            assert!(read(odd).unwrap_err().contains("is no byte"), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_reads_back_as_itself(bytes: Vec<u8>) {
            let written: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(read(&written.concat()), Ok(bytes));
        }

        #[test]
        fn no_text_is_too_odd(text: String) {
            let _ = read(&text);
        }
    }
}
