//! The records `length key=value\n` with which pax extends a header.

use super::TarErrorKind;
use super::entry::Time;
use super::header::size;
use super::sparse::Extent;

/// What a pax header says about the next entry, of what matters here.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) mtime: Option<Time>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: SparseKeys,
}

/// The keys with which GNU tar describes a sparse file, in its versions 0.0, 0.1 and 1.0.
#[derive(Debug, Default)]
pub(super) struct SparseKeys {
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) major: Option<u64>,
    pub(super) map: Vec<Extent>,
    /// The start of a piece whose length is in the next record (version 0.0).
    offset: Option<u64>,
}

/// Reads the records of one pax header.
pub(super) fn parse(mut records: &[u8]) -> Result<Extensions, TarErrorKind> {
    let mut extensions = Extensions::default();
    while let Some((key, value)) = next(&mut records)? {
        extensions.add(key, value)?;
    }
    if extensions.sparse.offset.is_some() {
        return Err(TarErrorKind::Format("a piece of a sparse file has no length"));
    }
    Ok(extensions)
}

/// Refuses a header for all entries that would change what an entry is.
pub(super) fn check_global(records: &[u8]) -> Result<(), TarErrorKind> {
    let Extensions { path, link, size, uid, gid, mtime, xattrs, sparse } = parse(records)?;
    let is_harmless = path.is_none()
        && link.is_none()
        && size.is_none()
        && uid.is_none()
        && gid.is_none()
        && mtime.is_none()
        && xattrs.is_empty()
        && sparse.is_unused();
    if is_harmless {
        Ok(())
    } else {
        Err(TarErrorKind::Format("a global header changes the entries after it"))
    }
}

impl Extensions {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarErrorKind> {
        match key {
            b"path" => self.path = name(value)?,
            b"linkpath" => self.link = name(value)?,
            b"size" => self.size = decimal(value)?.map(size).transpose()?,
            b"uid" => self.uid = decimal(value)?,
            b"gid" => self.gid = decimal(value)?,
            b"mtime" => self.mtime = time(value)?,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.add(key, value)?;
                }
            }
        }
        Ok(())
    }
}

impl SparseKeys {
    pub(super) fn is_unused(&self) -> bool {
        let Self { name, size, major, map, offset } = self;
        name.is_none() && size.is_none() && major.is_none() && map.is_empty() && offset.is_none()
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarErrorKind> {
        const WRONG: TarErrorKind = TarErrorKind::Format("the map of a sparse file is not one");
        let number = || decimal(value)?.map(size).transpose()?.ok_or(WRONG);
        match key {
            b"name" => self.name = name(value)?,
            b"size" | b"realsize" => self.size = Some(number()?),
            b"major" => self.major = Some(number()?),
            b"offset" => self.offset = Some(number()?),
            b"numbytes" => {
                let offset = self.offset.take().ok_or(WRONG)?;
                self.map.push(Extent { offset, length: number()? });
            }
            b"map" => {
                let numbers: Vec<u64> = value
                    .split(|&byte| byte == b',')
                    .filter(|digits| !digits.is_empty())
                    .map(|digits| size(decimal(digits)?.ok_or(WRONG)?))
                    .collect::<Result<_, _>>()?;
                let (pairs, []) = numbers.as_chunks::<2>() else { return Err(WRONG) };
                self.map =
                    pairs.iter().map(|&[offset, length]| Extent { offset, length }).collect();
            }
            _ => {}
        }
        Ok(())
    }
}

/// A key and its value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// Takes the next record off `records`.
fn next<'a>(records: &mut &'a [u8]) -> Result<Option<Record<'a>>, TarErrorKind> {
    const WRONG: TarErrorKind = TarErrorKind::Format("a record of an extended header is not one");
    if records.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let space = records.iter().position(|&byte| byte == b' ').ok_or(WRONG)?;
    let length = decimal(&records[..space])?.ok_or(WRONG)?;
    let length = usize::try_from(length).map_err(|_| WRONG)?;
    let record = records.get(space + 1..length).ok_or(WRONG)?;
    let (b'\n', record) = record.split_last().ok_or(WRONG)? else { return Err(WRONG) };
    let equals = record.iter().position(|&byte| byte == b'=').ok_or(WRONG)?;
    *records = &records[length..];
    Ok(Some((&record[..equals], &record[equals + 1..])))
}

/// A name. An empty one takes back what an earlier record said.
fn name(value: &[u8]) -> Result<Option<Vec<u8>>, TarErrorKind> {
    if value.contains(&0) {
        return Err(TarErrorKind::Format("a name has a NUL in it"));
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

pub(super) fn decimal(value: &[u8]) -> Result<Option<i64>, TarErrorKind> {
    const WRONG: TarErrorKind = TarErrorKind::Format("a number in an extended header is not one");
    if value.is_empty() {
        return Ok(None);
    }
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(WRONG);
    }
    let text = std::str::from_utf8(value).map_err(|_| WRONG)?;
    text.parse().map(Some).map_err(|_| WRONG)
}

/// Seconds since 1970 with an optional fraction.
fn time(value: &[u8]) -> Result<Option<Time>, TarErrorKind> {
    let mut parts = value.splitn(2, |&byte| byte == b'.');
    let whole = parts.next().unwrap_or_default();
    let Some(seconds) = decimal(whole)? else { return Ok(None) };
    let fraction = parts.next().unwrap_or_default();
    let mut nanoseconds = 0;
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(TarErrorKind::Format("a time in an extended header is not one"));
        }
        nanoseconds = nanoseconds * 10 + u32::from(digit - b'0');
    }
    // The fraction of a time before 1970 counts backwards.
    Ok(Some(if whole.starts_with(b"-") && nanoseconds > 0 {
        Time { seconds: seconds.saturating_sub(1), nanoseconds: 1_000_000_000 - nanoseconds }
    } else {
        Time { seconds, nanoseconds }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_long_as_they_say() {
        for records in [
            "12 path=abc\n\0\0\0",
            "12 path=abc\n10 uid=07\n",
            "12 path=xyz\n12 path=abc\n",
            "9 path=x\n8 path=\n12 path=abc\n",
        ] {
            let extensions = parse(records.as_bytes()).unwrap();
            assert_eq!(extensions.path.as_deref(), Some(&b"abc"[..]), "{records:?}");
        }
        for records in
            ["x", "5", "5 a=b", "99 a=b\n", "3 a\n", "0 a=b\n", "-6 a=b\n", "6 a=bc", "7 path\n"]
        {
            assert!(parse(records.as_bytes()).is_err(), "{records:?}");
        }
    }

    #[test]
    fn times_have_fractions() {
        for (text, seconds, nanoseconds) in [
            ("1", 1, 0),
            ("1.5", 1, 500_000_000),
            ("1.123456789", 1, 123_456_789),
            ("1.1234567899", 1, 123_456_789),
            ("-1", -1, 0),
            ("-1.25", -2, 750_000_000),
            ("-0.5", -1, 500_000_000),
        ] {
            let found = time(text.as_bytes()).unwrap().unwrap();
            assert_eq!((found.seconds, found.nanoseconds), (seconds, nanoseconds), "{text}");
        }
        assert!(time(b"1.x").is_err());
        assert!(time(b"1e3").is_err());
    }

    #[test]
    fn a_name_with_a_nul_is_two_names_to_two_readers() {
        assert!(parse(b"13 path=a\0bc\n").is_err());
    }

    #[test]
    fn a_global_header_may_only_comment() {
        assert!(check_global(b"13 comment=x\n").is_ok());
        assert!(check_global(b"12 path=abc\n").is_err());
        assert!(check_global(b"8 uid=0\n").is_err());
    }
}
