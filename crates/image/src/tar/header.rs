//! The block of 512 bytes that stands before every entry.

use super::TarErrorKind;

pub(super) const BLOCK: usize = 512;

/// A header.
///
/// Invariant: its checksum is right.
pub(super) struct Header([u8; BLOCK]);

/// Which fields there are after the first 257 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Old,
    Ustar,
    Star,
    Gnu,
}

impl Header {
    pub(super) fn new(block: [u8; BLOCK]) -> Result<Self, TarErrorKind> {
        let header = Self(block);
        let unsigned = header.sum(i64::from);
        // Some old tools added the bytes up as signed numbers.
        let signed = header.sum(|byte| i64::from(byte.cast_signed()));
        let stated = number(header.field(CHECKSUM))?;
        if stated != unsigned && stated != signed {
            return Err(TarErrorKind::Format("the checksum of a header is wrong"));
        }
        Ok(header)
    }

    pub(super) fn type_flag(&self) -> u8 {
        self.0[156]
    }

    pub(super) fn format(&self) -> Format {
        match &self.0[257..265] {
            b"ustar  \0" => Format::Gnu,
            magic if magic.starts_with(b"ustar\0") && self.0.ends_with(b"tar\0") => Format::Star,
            magic if magic.starts_with(b"ustar\0") => Format::Ustar,
            _ => Format::Old,
        }
    }

    /// The name with its prefix.
    pub(super) fn name(&self) -> Vec<u8> {
        let prefix = match self.format() {
            Format::Old | Format::Gnu => &[],
            Format::Ustar => text(&self.0[345..500]),
            Format::Star => text(&self.0[345..476]),
        };
        let name = text(&self.0[..100]);
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Result<i64, TarErrorKind> {
        number(self.field((100, 8)))
    }

    pub(super) fn uid(&self) -> Result<i64, TarErrorKind> {
        number(self.field((108, 8)))
    }

    pub(super) fn gid(&self) -> Result<i64, TarErrorKind> {
        number(self.field((116, 8)))
    }

    pub(super) fn size(&self) -> Result<u64, TarErrorKind> {
        size(number(self.field((124, 12)))?)
    }

    pub(super) fn mtime(&self) -> Result<i64, TarErrorKind> {
        number(self.field((136, 12)))
    }

    pub(super) fn bytes(&self) -> &[u8; BLOCK] {
        &self.0
    }

    fn field(&self, (start, length): (usize, usize)) -> &[u8] {
        &self.0[start..start + length]
    }

    fn sum(&self, value: impl Fn(u8) -> i64) -> i64 {
        let (start, length) = CHECKSUM;
        let counts = |at: usize| !(start..start + length).contains(&at);
        let others = self.0.iter().enumerate().filter(|(at, _)| counts(*at));
        others.map(|(_, &byte)| value(byte)).sum::<i64>() + 8 * i64::from(b' ')
    }
}

pub(super) fn size(number: i64) -> Result<u64, TarErrorKind> {
    u64::try_from(number).map_err(|_| TarErrorKind::Format("a size is negative"))
}

/// Reads a number in octal digits, or in base 256 if the first bit is set.
pub(super) fn number(field: &[u8]) -> Result<i64, TarErrorKind> {
    const WRONG: TarErrorKind = TarErrorKind::Format("a number in a header is not one");
    if let Some(&first) = field.first()
        && first & 0x80 != 0
    {
        // Two's complement of any width; the bit that marks the form is not part of the number.
        let is_negative = first & 0x40 != 0;
        let first = if is_negative { first } else { first & 0x7f };
        let start: i128 = if is_negative { -1 } else { 0 };
        let bytes = std::iter::once(first).chain(field[1..].iter().copied());
        let value = bytes.fold(start, |value, byte| (value << 8) | i128::from(byte));
        return i64::try_from(value).map_err(|_| WRONG);
    }
    let digits = text(field).trim_ascii();
    if digits.is_empty() {
        return Ok(0);
    }
    if !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return Err(WRONG);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| WRONG)?;
    i64::from_str_radix(digits, 8).map_err(|_| WRONG)
}

/// The bytes up to the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

const CHECKSUM: (usize, usize) = (148, 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        let rows: &[(&[u8], Option<i64>)] = &[
            (b"0000644\0", Some(0o644)),
            (b"644 \0\0\0\0", Some(0o644)),
            (b"    644 ", Some(0o644)),
            (b"77777777", Some(0o77777777)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"\x80\0\0\0\0\0\x01\x02", Some(258)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\x00", Some(-256)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"0000648\0", None),
            (b"-000644\0", None),
            (b"+000644\0", None),
            (b"0x00644\0", None),
            (b"6 4\0\0\0\0\0", None),
        ];
        for (field, expected) in rows {
            assert_eq!(number(field).ok(), *expected, "{}", field.escape_ascii());
        }
    }
}
