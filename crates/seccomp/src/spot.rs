//! Places within a profile: a [`Profile`](crate::Profile) knows what it says, and its text where.
//!
//! A reader of profiles that starts containers needs no places. Whoever needs one asks the text
//! again.

use std::fmt;

use crate::json::{Place, Reader};

/// A part of a profile that something can be said about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spot {
    /// All of it.
    Profile,
    /// One of its fields.
    Field(&'static str),
    /// The rule of this index.
    Rule(usize),
    /// The action of a rule.
    Action(usize),
    /// A name of a rule: the rule's index and the name's.
    Name(usize, usize),
    /// A condition of a rule: the rule's index and the condition's.
    Condition(usize, usize),
}

impl Spot {
    /// Where it stands in the text that the profile was read from. `None` if it does not stand
    /// there.
    pub fn locate(self, text: &str) -> Option<Place> {
        let mut reader = Reader::new(text).ok()?;
        match self {
            Self::Profile => {}
            Self::Field(field) => to_field(&mut reader, field)?,
            Self::Rule(rule) => to_rule(&mut reader, rule)?,
            Self::Action(rule) => {
                to_rule(&mut reader, rule)?;
                to_field(&mut reader, "action")?;
            }
            Self::Name(rule, name) => {
                return Self::locate_name(text, rule, name)
                    .or_else(|| Self::Rule(rule).locate(text));
            }
            Self::Condition(rule, condition) => {
                to_rule(&mut reader, rule)?;
                to_field(&mut reader, "args")?;
                to_element(&mut reader, condition)?;
            }
        }
        let mark = reader.mark();
        Some(reader.place(mark))
    }

    fn locate_name(text: &str, rule: usize, name: usize) -> Option<Place> {
        let in_list = || {
            let mut reader = Reader::new(text).ok()?;
            to_rule(&mut reader, rule)?;
            to_field(&mut reader, "names")?;
            to_element(&mut reader, name)?;
            let mark = reader.mark();
            Some(reader.place(mark))
        };
        in_list().or_else(|| {
            let mut reader = Reader::new(text).ok()?;
            to_rule(&mut reader, rule)?;
            to_field(&mut reader, "name")?;
            let mark = reader.mark();
            Some(reader.place(mark))
        })
    }
}

impl fmt::Display for Spot {
    /// `syscalls[3].args[0]`; nothing for all of the profile.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile => Ok(()),
            Self::Field(field) => f.write_str(field),
            Self::Rule(rule) => write!(f, "syscalls[{rule}]"),
            Self::Action(rule) => write!(f, "syscalls[{rule}].action"),
            Self::Name(rule, name) => write!(f, "syscalls[{rule}].names[{name}]"),
            Self::Condition(rule, condition) => write!(f, "syscalls[{rule}].args[{condition}]"),
        }
    }
}

fn to_rule(reader: &mut Reader<'_>, rule: usize) -> Option<()> {
    to_field(reader, "syscalls")?;
    to_element(reader, rule)
}

/// Goes on to the value of a field of the object that comes next.
fn to_field(reader: &mut Reader<'_>, field: &str) -> Option<()> {
    reader.enter_object().ok()?;
    let mut is_first = true;
    while let Some((key, _)) = reader.next_key(&mut is_first).ok()? {
        if key == field {
            return Some(());
        }
        reader.skip().ok()?;
    }
    None
}

/// Goes on to an element of the array that comes next.
fn to_element(reader: &mut Reader<'_>, index: usize) -> Option<()> {
    reader.enter_array().ok()?;
    let mut is_first = true;
    for _ in 0..index {
        if !reader.next_element(&mut is_first).ok()? {
            return None;
        }
        reader.skip().ok()?;
    }
    reader.next_element(&mut is_first).ok()?.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_where_they_stand() {
        let text = r#"{
  "defaultAction": "SCMP_ACT_ERRNO",
  "syscalls": [
    {"comment": "[{", "names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
    {"args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1}, {"index": 1}], "name": "ioctl"}
  ]
}"#;
        for (spot, path, expected) in [
            (Spot::Profile, "", Some((1, 1))),
            (Spot::Field("defaultAction"), "defaultAction", Some((2, 20))),
            (Spot::Field("architectures"), "architectures", None),
            (Spot::Rule(0), "syscalls[0]", Some((4, 5))),
            (Spot::Action(0), "syscalls[0].action", Some((4, 61))),
            (Spot::Name(0, 1), "syscalls[0].names[1]", Some((4, 41))),
            (Spot::Name(1, 0), "syscalls[1].names[0]", Some((5, 85))),
            (Spot::Name(0, 2), "syscalls[0].names[2]", Some((4, 5))),
            (Spot::Condition(1, 1), "syscalls[1].args[1]", Some((5, 62))),
            (Spot::Rule(2), "syscalls[2]", None),
        ] {
            let found = spot.locate(text).map(|it| (it.line, it.column));
            assert_eq!(found, expected, "{spot}");
            assert_eq!(spot.to_string(), path);
        }
        assert_eq!(Spot::Rule(0).locate("[]"), None);
        assert_eq!(Spot::Profile.locate(""), Some(Place { line: 1, column: 1 }));
    }
}
