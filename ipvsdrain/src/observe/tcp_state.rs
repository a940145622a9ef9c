//! The TCP states of IPVS: the numbers of `include/net/ip_vs.h` and the names it prints, equal in 5.10 to 7.2.

/// By number.
const NAMES: [&str; 11] = [
    "NONE",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "SYNACK",
];

/// The name IPVS prints for a state; `None` for a number it does not use.
pub(super) fn name(state: u16) -> Option<&'static str> {
    NAMES.get(usize::from(state)).copied()
}

/// The number of a state that IPVS prints under this name.
pub(super) fn number(name: &str) -> Option<u16> {
    let place = NAMES.iter().position(|known| *known == name)?;
    u16::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_the_kernel() {
        assert_eq!((number("ESTABLISHED"), number("SYNACK")), (Some(1), Some(10)));
        assert_eq!((name(1), name(10)), (Some("ESTABLISHED"), Some("SYNACK")));
        assert_eq!((name(11), number("UDP")), (None, None));
    }
}
