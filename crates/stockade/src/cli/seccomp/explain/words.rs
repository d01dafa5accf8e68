//! Arguments of system calls as people write them.

use stockade_seccomp::{Known, constant};

/// Reads arguments, the first first. What is not given is any.
pub(super) fn arguments(words: &[String]) -> Result<Known, String> {
    let mut known = Known::default();
    if words.len() > known.len() {
        return Err(format!("a system call has {} arguments at most", known.len()));
    }
    for (slot, word) in known.iter_mut().zip(words) {
        *slot = argument(word)?;
    }
    Ok(known)
}

/// `_`, or numbers and names with `|` between them.
fn argument(word: &str) -> Result<Option<u64>, String> {
    if word == "_" {
        return Ok(None);
    }
    let mut all = 0;
    for part in word.split('|') {
        all |= value(part.trim())
            .ok_or_else(|| format!("`{part}` is neither a number nor a name that is known here"))?;
    }
    Ok(Some(all))
}

fn value(word: &str) -> Option<u64> {
    if let Some(value) = constant(word) {
        return Some(value);
    }
    if let Some(hex) = word.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    if let Some(octal) = word.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok();
    }
    // A negative argument is what the kernel sees of it.
    word.parse().ok().or_else(|| word.parse::<i64>().ok().map(i64::cast_unsigned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_numbers_names_and_anything() {
        for (word, expected) in [
            ("_", Some(None)),
            ("38", Some(Some(38))),
            ("0x26", Some(Some(38))),
            ("0o4000", Some(Some(0o4000))),
            ("-1", Some(Some(u64::MAX))),
            ("AF_ALG", Some(Some(38))),
            ("CLONE_NEWUSER|CLONE_NEWNS|17", Some(Some(0x1002_0011))),
            ("AF_ALG|_", None),
            ("AF_NONE", None),
            ("0x", None),
            ("18446744073709551616", None),
            ("", None),
        ] {
            assert_eq!(argument(word).ok(), expected, "{word}");
        }
        let six = vec!["1".to_owned(); 6];
        assert_eq!(arguments(&six), Ok([Some(1); 6]));
        assert!(arguments(&[six, vec!["1".to_owned()]].concat()).is_err());
        assert_eq!(arguments(&[]), Ok([None; 6]));
    }
}
