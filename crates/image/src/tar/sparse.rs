//! Files with holes: where the pieces belong that an archive holds of them.

use super::TarErrorKind;
use super::header::{BLOCK, Header, number, size};

/// A piece of a sparse file that is in the archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Reads the map of GNU's old format, which begins in the header and goes on in `more` blocks.
pub(super) fn from_header(
    header: &Header,
    mut more: impl FnMut() -> Result<[u8; BLOCK], TarErrorKind>,
) -> Result<Vec<Extent>, TarErrorKind> {
    let mut map = Vec::new();
    let bytes = header.bytes();
    read_pairs(&bytes[386..482], &mut map)?;
    let mut goes_on = bytes[482] != 0;
    while goes_on {
        let block = more()?;
        read_pairs(&block[..504], &mut map)?;
        goes_on = block[504] != 0;
        check_count(map.len())?;
    }
    Ok(map)
}

/// Returns the size of the file that is in the archive in GNU's old format.
pub(super) fn real_size(header: &Header) -> Result<u64, TarErrorKind> {
    size(number(&header.bytes()[483..495])?)
}

/// Reads the map of pax's version 1.0: lines of decimal digits in the first blocks of the content.
pub(super) fn from_content(
    mut more: impl FnMut() -> Result<[u8; BLOCK], TarErrorKind>,
) -> Result<Vec<Extent>, TarErrorKind> {
    let mut block = more()?;
    let mut at = 0;
    let mut next = || -> Result<u64, TarErrorKind> {
        const WRONG: TarErrorKind = TarErrorKind::Format("the map of a sparse file is not one");
        let mut value: u64 = 0;
        let mut digits = 0;
        loop {
            if at == BLOCK {
                block = more()?;
                at = 0;
            }
            let byte = block[at];
            at += 1;
            match byte {
                b'\n' if digits > 0 => return Ok(value),
                b'0'..=b'9' => {
                    let more = value.checked_mul(10);
                    value =
                        more.and_then(|it| it.checked_add((byte - b'0').into())).ok_or(WRONG)?;
                    digits += 1;
                }
                _ => return Err(WRONG),
            }
        }
    };
    let count = usize::try_from(next()?).unwrap_or(usize::MAX);
    check_count(count)?;
    (0..count).map(|_| Ok(Extent { offset: next()?, length: next()? })).collect()
}

/// Checks that the pieces are in order, within the file, and what the archive holds.
pub(super) fn check(map: &[Extent], stored: u64, size: u64) -> Result<(), TarErrorKind> {
    const WRONG: TarErrorKind =
        TarErrorKind::Format("the pieces of a sparse file do not fit into it");
    check_count(map.len())?;
    let mut end = 0;
    let mut total: u64 = 0;
    for extent in map {
        if extent.offset < end {
            return Err(WRONG);
        }
        end = extent.offset.checked_add(extent.length).ok_or(WRONG)?;
        total = total.checked_add(extent.length).ok_or(WRONG)?;
    }
    if end > size || total != stored { Err(WRONG) } else { Ok(()) }
}

fn read_pairs(fields: &[u8], map: &mut Vec<Extent>) -> Result<(), TarErrorKind> {
    for pair in fields.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        let extent =
            Extent { offset: size(number(&pair[..12])?)?, length: size(number(&pair[12..])?)? };
        map.push(extent);
    }
    Ok(())
}

fn check_count(count: usize) -> Result<(), TarErrorKind> {
    if count > MAX_EXTENTS {
        return Err(TarErrorKind::Format("a sparse file has more than 65536 pieces"));
    }
    Ok(())
}

const MAX_EXTENTS: usize = 1 << 16;
