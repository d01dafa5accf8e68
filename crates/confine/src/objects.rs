//! What a pod takes from ConfigMaps and Secrets, or why it cannot, in the kubelet's words.

use std::collections::BTreeMap;

use stockade_spec::{Content, DataKind, Place, Pod};

use crate::Reason;
use crate::scope::Findings;
use crate::world::World;

/// Whether a pod starts without what it refers to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Optional {
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl Optional {
    pub(crate) const fn of(field: Option<bool>) -> Self {
        match field {
            Some(true) => Self::Yes,
            Some(false) | None => Self::No,
        }
    }
}

/// Why there is nothing to take.
#[derive(Debug)]
pub(crate) struct Absent {
    pub(crate) why: String,
    /// The field of a reference that names what is absent: `name` or `key`.
    pub(crate) field: &'static str,
    hint: Option<String>,
}

impl Absent {
    pub(crate) fn refuse(self, place: Place, findings: &mut Findings) {
        let reason = Reason::CreateContainerConfigError;
        match self.hint {
            Some(hint) => findings.refuse_with_hint(reason, place, self.why, hint),
            None => findings.refuse(reason, place, self.why),
        }
    }
}

/// All that an object holds; `None` if it is not there and need not be.
pub(crate) fn entries<'w>(
    world: &'w World,
    kind: DataKind,
    name: &str,
    optional: Optional,
) -> Result<Option<&'w BTreeMap<String, Content>>, Absent> {
    let objects = match kind {
        DataKind::ConfigMap => &world.objects.config_maps,
        DataKind::Secret => &world.objects.secrets,
    };
    match (objects.get(name), optional) {
        (None, Optional::No) => Err(Absent {
            why: format!("{} \"{name}\" not found", kind.resource()),
            field: "name",
            hint: Some(format!(
                "give the {} together with the pod: in the same file, directory or as another \
                 argument",
                kind.kind()
            )),
        }),
        (found, _) => Ok(found),
    }
}

/// What a variable takes from one key; `None` if it is not there and need not be.
pub(crate) fn entry<'w>(
    pod: &Pod,
    world: &'w World,
    kind: DataKind,
    name: &str,
    key: &str,
    optional: Optional,
) -> Result<Option<&'w Content>, Absent> {
    let Some(entries) = entries(world, kind, name, optional)? else { return Ok(None) };
    let found = entries.get(key).filter(|it| {
        // `binaryData` is for volumes.
        kind == DataKind::Secret || matches!(it, Content::Text(_))
    });
    match (found, optional) {
        (None, Optional::No) => Err(Absent {
            why: format!("couldn't find key {key} in {} {}/{name}", kind.kind(), pod.namespace()),
            field: "key",
            hint: None,
        }),
        (found, _) => Ok(found),
    }
}
