//! User and group ids, and the maps between a user namespace and its parent.
//!
//! Source: user_namespaces(7), "User and group ID mappings".

use std::fmt;

/// A user id as seen inside the container's user namespace.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ContainerUid(pub u32);

/// A group id as seen inside the container's user namespace.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ContainerGid(pub u32);

/// A user or group id as the observer sees it, outside the container's user namespace.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostId(pub u32);

impl fmt::Display for ContainerUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ContainerGid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One line of `/proc/<pid>/uid_map` or `gid_map`: `length` ids from `inside` on appear outside as
/// the ids from `outside` on.
///
/// Invariant: at least one id, and neither range reaches `u32::MAX` (checked by [`IdRange::new`]);
/// that number means "no change" to the kernel and is never an id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IdRange {
    inside: u32,
    outside: u32,
    length: u32,
}

impl IdRange {
    /// Returns `None` for an empty range and for one that would wrap or include `u32::MAX`.
    pub fn new(inside: u32, outside: u32, length: u32) -> Option<Self> {
        let fits = |start: u32| start.checked_add(length).is_some();
        (length > 0 && fits(inside) && fits(outside)).then_some(Self { inside, outside, length })
    }

    /// The first id inside.
    pub const fn inside(self) -> u32 {
        self.inside
    }

    /// The first id outside.
    pub const fn outside(self) -> u32 {
        self.outside
    }

    /// How many ids.
    pub const fn length(self) -> u32 {
        self.length
    }

    fn overlaps(self, other: Self) -> bool {
        let meet = |a: u32, b: u32| a < b + other.length && b < a + self.length;
        meet(self.inside, other.inside) || meet(self.outside, other.outside)
    }
}

impl fmt::Display for IdRange {
    /// A line as the kernel reads it: `inside outside length`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.inside, self.outside, self.length)
    }
}

/// The ranges of one map. Invariant: no two overlap, inside or outside.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdMap(Vec<IdRange>);

impl IdMap {
    /// Returns `None` if two ranges overlap or there are more than the kernel takes (340).
    pub fn new(ranges: Vec<IdRange>) -> Option<Self> {
        let apart = ranges
            .iter()
            .enumerate()
            .all(|(index, one)| ranges[..index].iter().all(|other| !one.overlaps(*other)));
        (apart && ranges.len() <= 340).then_some(Self(ranges))
    }

    /// The ranges, in the order given.
    pub fn ranges(&self) -> &[IdRange] {
        &self.0
    }

    /// Returns the outside id that the kernel substitutes for `inside`, or `None` if no range
    /// covers it. There is no fallback to the overflow id: a security decision must not be made
    /// about `nobody` instead of the id that was asked for.
    pub fn to_outside(&self, inside: u32) -> Option<HostId> {
        self.0.iter().find_map(|range| {
            let offset = inside.checked_sub(range.inside)?;
            (offset < range.length).then(|| HostId(range.outside + offset))
        })
    }

    /// Returns the inside id of an outside one, or `None` if no range covers it.
    pub fn to_inside(&self, outside: HostId) -> Option<u32> {
        self.0.iter().find_map(|range| {
            let offset = outside.0.checked_sub(range.outside)?;
            (offset < range.length).then(|| range.inside + offset)
        })
    }

    /// Whether only one id exists inside, as when an ordinary user maps itself.
    pub fn is_single(&self) -> bool {
        matches!(self.0.as_slice(), [only] if only.length == 1)
    }
}

impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            write!(f, "{}{range}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_refused_where_it_would_be_empty_or_wrap() {
        for (inside, outside, length, valid) in [
            (0, 100_000, 65_536, true),
            (0, 0, 0, false),
            (0, u32::MAX, 1, false),
            (0, u32::MAX - 1, 1, true),
            (u32::MAX, 0, 1, false),
            (0, 1, u32::MAX, false),
            (0, 0, u32::MAX, true),
        ] {
            assert_eq!(
                IdRange::new(inside, outside, length).is_some(),
                valid,
                "{inside} {outside} {length}"
            );
        }
    }

    #[test]
    fn maps_refuse_overlaps_and_translate_both_ways() {
        let range = |a, b, c| IdRange::new(a, b, c).unwrap();
        assert_eq!(IdMap::new(vec![range(0, 1000, 10), range(9, 5000, 1)]), None);
        assert_eq!(IdMap::new(vec![range(0, 1000, 10), range(10, 1009, 1)]), None);
        let map = IdMap::new(vec![range(0, 1000, 10), range(10, 5000, 5)]).unwrap();
        assert_eq!(map.to_outside(14), Some(HostId(5004)));
        assert_eq!(map.to_outside(15), None);
        assert_eq!(map.to_inside(HostId(1009)), Some(9));
        assert_eq!(map.to_inside(HostId(999)), None);
    }
}
