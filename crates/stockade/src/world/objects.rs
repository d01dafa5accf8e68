//! The ConfigMaps and Secrets that were given beside a pod.
//!
//! A pod takes from those of its own namespace, and only what it names comes into its world (and
//! with it into what is kept on disk).

use std::collections::BTreeMap;

use stockade_confine::world::Objects;
use stockade_spec::{Content, DataKind, DataObject};

use crate::answer::Failure;
use crate::ui::plain;

/// Everything that was given, each with the namespace that it is in.
#[derive(Debug, Default)]
pub(crate) struct Given(BTreeMap<(DataKind, String, String), DataObject>);

impl Given {
    /// Takes one more; `asked` is the namespace of what names none (`-n`).
    ///
    /// # Errors
    ///
    /// If there is such a one already: nobody can know which was meant.
    pub(crate) fn add(&mut self, object: &DataObject, asked: Option<&str>) -> Result<(), Failure> {
        let own = object.namespace.as_deref().filter(|it| !it.is_empty());
        let namespace = own.or(asked).unwrap_or("default").to_owned();
        let key = (object.kind, namespace, object.name.clone());
        match self.0.insert(key, object.clone()) {
            None => Ok(()),
            Some(first) => {
                let (kind, name) = (object.kind.kind(), plain(&object.name));
                let (place, first) = (&object.place, &first.place);
                Err(Failure::question(format!("{place}: {kind} `{name}` is in {first}, too")))
            }
        }
    }

    /// Those that a pod of `namespace` names.
    pub(super) fn load<'n>(
        &self,
        namespace: &str,
        config_maps: impl IntoIterator<Item = &'n String>,
        secrets: impl IntoIterator<Item = &'n String>,
    ) -> Objects {
        Objects {
            config_maps: self.named(DataKind::ConfigMap, namespace, config_maps),
            secrets: self.named(DataKind::Secret, namespace, secrets),
        }
    }

    fn named<'n>(
        &self,
        kind: DataKind,
        namespace: &str,
        names: impl IntoIterator<Item = &'n String>,
    ) -> BTreeMap<String, BTreeMap<String, Content>> {
        let find = |name: &String| {
            let object = self.0.get(&(kind, namespace.to_owned(), name.clone()))?;
            Some((name.clone(), object.entries.clone()))
        };
        names.into_iter().filter_map(find).collect()
    }
}

#[cfg(test)]
mod tests {
    use stockade_spec::parse;

    use super::*;

    const TEXT: &str = "\
{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: other}, data: {k: w}}
---
{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {k: s}}
";

    #[test]
    fn a_pod_gets_what_it_names_of_its_namespace() {
        let parsed = parse("x.yaml", TEXT);
        let mut given = Given::default();
        for object in parsed.data() {
            given.add(object, Some("mine")).unwrap();
        }
        let names = ["a".to_owned(), "none".to_owned()];
        for (namespace, expected) in [("mine", Some("v")), ("other", Some("w")), ("default", None)]
        {
            let objects = given.load(namespace, &names, &[]);
            let value = objects.config_maps.get("a").map(|it| it["k"].bytes());
            assert_eq!(value, expected.map(str::as_bytes), "{namespace}");
            assert!(objects.secrets.is_empty(), "not named");
        }
        let again = parsed.data().next().unwrap();
        assert!(given.add(again, Some("mine")).is_err());
        assert!(given.add(again, Some("third")).is_ok());
    }
}
