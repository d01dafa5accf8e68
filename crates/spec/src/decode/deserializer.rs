//! The one `Deserializer`.
//!
//! Each method knows what its type wants and says so in words if the node is
//! something else, so that messages do not depend on the visitor.

use std::cell::RefCell;
use std::collections::HashSet;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use super::error::DecodeError;
use super::unknown::{Owner, Unknown};
use crate::tree::{Entry, Node, Value};

/// What all nodes of one attempt share.
pub(super) struct Context<'a, 'p> {
    /// Nodes that failed before.
    pub(super) pruned: &'p HashSet<*const Node>,
    /// Fields that a type did not know.
    pub(super) unknown: RefCell<Vec<Unknown<'a>>>,
}

impl Context<'_, '_> {
    fn is_pruned(&self, node: &Node) -> bool {
        !self.pruned.is_empty() && self.pruned.contains(&std::ptr::from_ref(node))
    }
}

/// A node as serde sees it.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'a, 'c> {
    node: &'a Node,
    context: &'c Context<'a, 'c>,
    /// The entry whose value this is, if it is a field of a struct.
    field_of: Option<(&'a Entry, Owner)>,
}

type Outcome<'a, T> = Result<T, DecodeError<'a>>;

impl<'a, 'c> Decoder<'a, 'c> {
    pub(super) fn new(node: &'a Node, context: &'c Context<'a, 'c>) -> Self {
        Self { node, context, field_of: None }
    }

    fn mismatch<T>(self, expected: &str) -> Outcome<'a, T> {
        Err(DecodeError::wrong_type(expected).or_at(self.node))
    }

    fn here<T>(self, outcome: Outcome<'a, T>) -> Outcome<'a, T> {
        outcome.map_err(|error| error.or_at(self.node))
    }

    /// The number as an integer. `1e3` and `1000.0` are whole: on its way to
    /// the API a manifest becomes JSON, where they are the same number.
    fn whole(self) -> Option<i128> {
        match self.node.value {
            Value::Int(number) => Some(number.into()),
            Value::UInt(number) => Some(number.into()),
            // The cast is exact: the number is whole and far inside the range.
            #[expect(clippy::cast_possible_truncation, reason = "checked by the guard")]
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e21 => {
                Some(number as i128)
            }
            Value::Float(_)
            | Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Sequence(_)
            | Value::Mapping(_) => None,
        }
    }

    fn integer<'de, V: Visitor<'de>>(
        self,
        visitor: V,
        least: i128,
        most: i128,
    ) -> Outcome<'a, V::Value> {
        let Some(number) = self.whole() else { return self.mismatch("a whole number") };
        if !(least..=most).contains(&number) {
            let is_widest = least == i64::MIN.into();
            let range = || format!("a whole number from {least} to {most}");
            let expected = if is_widest { "a whole number of 64 bits".into() } else { range() };
            return self.mismatch(&expected);
        }
        self.visit_whole(number, visitor)
    }

    fn visit_whole<'de, V: Visitor<'de>>(self, number: i128, visitor: V) -> Outcome<'a, V::Value> {
        match (i64::try_from(number), u64::try_from(number)) {
            (Ok(number), _) => self.here(visitor.visit_i64(number)),
            (Err(_), Ok(number)) => self.here(visitor.visit_u64(number)),
            (Err(_), Err(_)) => self.mismatch("a whole number of 64 bits"),
        }
    }

    /// Null is an empty list, as Go reads it.
    fn sequence<'de, V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        let items = match &self.node.value {
            Value::Sequence(items) => items.as_slice(),
            Value::Null => &[],
            Value::Bool(_)
            | Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Mapping(_) => return self.mismatch("a list"),
        };
        self.here(visitor.visit_seq(Items { items: items.iter(), context: self.context }))
    }

    fn mapping<'de, V: Visitor<'de>>(
        self,
        visitor: V,
        owner: Option<Owner>,
    ) -> Outcome<'a, V::Value> {
        let entries = match (&self.node.value, owner) {
            (Value::Mapping(entries), _) => entries.as_slice(),
            // Null is an empty map, but no object.
            (Value::Null, None) => &[],
            (_, _) => return self.mismatch("an object"),
        };
        let fields =
            Fields { entries: entries.iter(), current: None, context: self.context, owner };
        self.here(visitor.visit_map(fields))
    }

    fn string<'de, V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        match self.node.as_str() {
            Some(text) => self.here(visitor.visit_str(text)),
            None => self.mismatch("a string"),
        }
    }
}

macro_rules! integers {
    ($($method:ident: $type:ident,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
            self.integer(visitor, $type::MIN.into(), $type::MAX.into())
        }
    )*};
}

impl<'de, 'a> Deserializer<'de> for Decoder<'a, '_> {
    type Error = DecodeError<'a>;

    integers! {
        deserialize_i8: i8,
        deserialize_i16: i16,
        deserialize_i32: i32,
        deserialize_i64: i64,
        deserialize_u8: u8,
        deserialize_u16: u16,
        deserialize_u32: u32,
        deserialize_u64: u64,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        match &self.node.value {
            Value::Null => self.here(visitor.visit_unit()),
            Value::Bool(is) => self.here(visitor.visit_bool(*is)),
            Value::String(text) => self.here(visitor.visit_str(text)),
            Value::Sequence(_) => self.sequence(visitor),
            Value::Mapping(_) => self.mapping(visitor, None),
            Value::Int(_) | Value::UInt(_) | Value::Float(_) => self.deserialize_f64(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        match self.node.value {
            Value::Bool(is) => self.here(visitor.visit_bool(is)),
            Value::Null
            | Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Sequence(_)
            | Value::Mapping(_) => self.mismatch("a boolean"),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        match (self.whole(), &self.node.value) {
            (Some(number), Value::Int(_) | Value::UInt(_)) => self.visit_whole(number, visitor),
            (Some(number), _) if i64::try_from(number).is_ok() => self.visit_whole(number, visitor),
            (_, Value::Float(number)) => self.here(visitor.visit_f64(*number)),
            (_, _) => self.mismatch("a number"),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        self.string(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        self.string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        self.string(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        self.string(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        self.sequence(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        self.sequence(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        match self.node.value {
            Value::Null => self.here(visitor.visit_none()),
            Value::Bool(_)
            | Value::Int(_)
            | Value::UInt(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Sequence(_)
            | Value::Mapping(_) => self.here(visitor.visit_some(self)),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Outcome<'a, V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Outcome<'a, V::Value> {
        self.here(visitor.visit_newtype_struct(self))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        self.sequence(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Outcome<'a, V::Value> {
        self.sequence(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Outcome<'a, V::Value> {
        self.sequence(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        self.mapping(visitor, None)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Outcome<'a, V::Value> {
        self.mapping(visitor, Some(Owner { name, fields }))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Outcome<'a, V::Value> {
        match self.node.as_str() {
            Some(text) => self.here(visitor.visit_enum(Word(text))),
            None => self.mismatch("a string"),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Outcome<'a, V::Value> {
        if let Some((entry, owner)) = self.field_of {
            self.context.unknown.borrow_mut().push(Unknown { entry, owner });
        }
        self.here(visitor.visit_unit())
    }
}

struct Items<'a, 'c> {
    items: std::slice::Iter<'a, Node>,
    context: &'c Context<'a, 'c>,
}

impl<'de, 'a> SeqAccess<'de> for Items<'a, '_> {
    type Error = DecodeError<'a>;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Outcome<'a, Option<T::Value>> {
        match self.items.by_ref().find(|item| !self.context.is_pruned(item)) {
            None => Ok(None),
            Some(item) => seed.deserialize(Decoder::new(item, self.context)).map(Some),
        }
    }
}

struct Fields<'a, 'c> {
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
    context: &'c Context<'a, 'c>,
    owner: Option<Owner>,
}

impl<'de, 'a> MapAccess<'de> for Fields<'a, '_> {
    type Error = DecodeError<'a>;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Outcome<'a, Option<K::Value>> {
        self.current = self.entries.by_ref().find(|it| !self.context.is_pruned(&it.value));
        let Some(entry) = self.current else { return Ok(None) };
        let key: StrDeserializer<'_, DecodeError<'a>> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.or_at(&entry.value))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Outcome<'a, V::Value> {
        let entry = self.current.take().expect("serde asks for a value after its key");
        let field_of = self.owner.map(|owner| (entry, owner));
        seed.deserialize(Decoder { node: &entry.value, context: self.context, field_of })
    }
}

/// A word of an enum without data.
struct Word<'a>(&'a str);

impl<'de, 'a> EnumAccess<'de> for Word<'a> {
    type Error = DecodeError<'a>;
    type Variant = <StrDeserializer<'a, DecodeError<'a>> as EnumAccess<'de>>::Variant;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Outcome<'a, (V::Value, Self::Variant)> {
        let word: StrDeserializer<'a, DecodeError<'a>> = self.0.into_deserializer();
        word.variant_seed(seed)
    }
}
