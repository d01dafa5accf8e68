//! Kubernetes quantities: `500m`, `128Mi`, `1.5`, `2e3`.
//!
//! Rounds up, as Kubernetes does. Source: the `resource.Quantity` type of its API.

/// Thousandths of the unit.
pub(crate) fn millis(text: &str) -> Result<u64, String> {
    scaled(text, 1000)
}

/// Whole units.
pub(crate) fn whole(text: &str) -> Result<u64, String> {
    scaled(text, 1)
}

fn scaled(text: &str, scale: u128) -> Result<u64, String> {
    let malformed = || format!("`{text}` is not a quantity (such as `500m`, `1.5` or `128Mi`)");
    let digits_end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 24 || fraction.contains('.') {
        return Err(malformed());
    }
    let value: u128 = digits.parse().map_err(|_| malformed())?;
    let (times, per) = factor(suffix).ok_or_else(malformed)?;

    let divisor = per.checked_mul(10u128.pow(u32::try_from(fraction.len()).unwrap_or(24)));
    let product = value.checked_mul(times).and_then(|it| it.checked_mul(scale));
    let (Some(product), Some(divisor)) = (product, divisor) else {
        return Err(format!("`{text}` is too large"));
    };
    u64::try_from(product.div_ceil(divisor)).map_err(|_| format!("`{text}` is too large"))
}

/// What a suffix multiplies and divides by.
fn factor(suffix: &str) -> Option<(u128, u128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10u128.checked_pow(exponent.unsigned_abs())?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, expected) in [
            ("1", Ok(1000)),
            ("500m", Ok(500)),
            ("1.5", Ok(1500)),
            ("0.0001", Ok(1)),
            ("100u", Ok(1)),
            ("2e3", Ok(2_000_000)),
            ("1Ki", Ok(1_024_000)),
            ("", Err(())),
            (".", Err(())),
            ("-1", Err(())),
            ("1.2.3", Err(())),
            ("1 Mi", Err(())),
            ("1KB", Err(())),
            ("99999999999999999999E", Err(())),
        ] {
            assert_eq!(millis(text).map_err(|_| ()), expected, "{text}");
        }
        assert_eq!(whole("128Mi"), Ok(134_217_728));
    }
}
