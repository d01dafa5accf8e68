//! What is written, version 1.
//!
//! A field is never renamed and never changes its meaning within a version; a new one is optional.
//! Unknown fields are refused: to skip a setting of the node could mean to judge a pod by less.

mod objects;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stockade_abi::facts::{Device, DeviceKind};
use stockade_abi::host::Kernel;
use stockade_abi::{Architecture, CapabilitySet, IdMap, IdRange};
use stockade_confine::plan::{DeviceNode, NodeMaking};
use stockade_confine::world::{
    self, ImageFacts, Legacy, LegacyUnconfined, NodeUserNamespace, Objects, ProfileFile,
    SeccompDefault,
};
use stockade_confine::{RestartDefault, UserNamespace, World};

use crate::settings::{self, Demand};

use objects::{Entries, read_back, written};

/// Reads a record of a version that is known.
pub(super) fn read(bytes: &[u8]) -> Result<super::Record, String> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Versioned { version } = serde_json::from_slice(bytes).map_err(|it| it.to_string())?;
    if version != VERSION {
        return Err(format!("its version is {version}, this program knows {VERSION}"));
    }
    let record: Record = serde_json::from_slice(bytes).map_err(|it| it.to_string())?;
    record.try_into()
}

const VERSION: u32 = 1;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Record {
    version: u32,
    /// The version of the program that wrote it; for people.
    stockade: String,
    document: Document,
    restart_default: RestartWord,
    demands: Demands,
    images: BTreeMap<String, Image>,
    profiles: BTreeMap<String, Profile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    config_maps: BTreeMap<String, Entries>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    secrets: BTreeMap<String, Entries>,
    node: Node,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    file: String,
    text: String,
    index: usize,
    namespace: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
enum RestartWord {
    Always,
    Never,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Demands {
    strict: bool,
    require_proof: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Image {
    reference: String,
    digest: String,
    layers: Vec<String>,
    user: String,
    environment: Vec<String>,
    entrypoint: Vec<String>,
    command: Vec<String>,
    working_directory: String,
    stop_signal: String,
    passwd: Option<String>,
    group: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "is")]
enum Profile {
    Here { path: String, text: String },
    Unreadable { why: String },
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Node {
    kernel: KernelRelease,
    architecture: String,
    capabilities: u64,
    last_cpu: u32,
    allowed_unsafe_sysctls: Vec<String>,
    seccomp_default: SeccompWord,
    legacy: LegacyWord,
    hostname: String,
    pod_pids_limit: Option<u64>,
    devices: Vec<DeviceEntry>,
    user_namespace: Option<Maps>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KernelRelease {
    major: u32,
    minor: u32,
    release: String,
}

#[derive(Debug, Deserialize, Serialize)]
enum SeccompWord {
    Unconfined,
    RuntimeDefault,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "as")]
enum LegacyWord {
    Honoured { unconfined: UnconfinedWord },
    Cluster { minor: u32 },
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum UnconfinedWord {
    Refused,
    Taken,
}

/// A device node.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DeviceEntry {
    path: String,
    device: Option<Numbers>,
    mode: u32,
    uid: u32,
    gid: u32,
    made_by: MakingWord,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Numbers {
    kind: KindWord,
    major: u32,
    minor: u32,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum KindWord {
    Character,
    Block,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum MakingWord {
    Mknod,
    Bind,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Maps {
    uids: Vec<[u32; 3]>,
    gids: Vec<[u32; 3]>,
}

impl From<&super::Record> for Record {
    fn from(record: &super::Record) -> Self {
        let super::Record { document, restart, demands, world } = record;
        let super::Document { file, text, index, namespace } = document.clone();
        let World { images, profiles, objects: Objects { config_maps, secrets }, node } = world;
        Self {
            version: VERSION,
            stockade: env!("CARGO_PKG_VERSION").to_owned(),
            document: Document { file, text, index, namespace },
            restart_default: match restart {
                RestartDefault::Always => RestartWord::Always,
                RestartDefault::Never => RestartWord::Never,
            },
            demands: Demands {
                strict: demands.adjusted == Demand::Refuse,
                require_proof: demands.unproven == Demand::Refuse,
            },
            images: images.iter().map(|(name, it)| (name.clone(), it.clone().into())).collect(),
            profiles: profiles.iter().map(|(name, it)| (name.clone(), it.clone().into())).collect(),
            config_maps: written(config_maps),
            secrets: written(secrets),
            node: node.clone().into(),
        }
    }
}

impl TryFrom<Record> for super::Record {
    type Error = String;

    fn try_from(record: Record) -> Result<Self, String> {
        let Record {
            version: _,
            stockade: _,
            document: Document { file, text, index, namespace },
            restart_default,
            demands: Demands { strict, require_proof },
            images,
            profiles,
            config_maps,
            secrets,
            node,
        } = record;
        let demand = |it| if it { Demand::Refuse } else { Demand::Accept };
        Ok(Self {
            document: super::Document { file, text, index, namespace },
            restart: match restart_default {
                RestartWord::Always => RestartDefault::Always,
                RestartWord::Never => RestartDefault::Never,
            },
            demands: settings::Demands {
                adjusted: demand(strict),
                unproven: demand(require_proof),
            },
            world: World {
                images: images.into_iter().map(|(name, it)| (name, it.into())).collect(),
                profiles: profiles.into_iter().map(|(name, it)| (name, it.into())).collect(),
                objects: Objects {
                    config_maps: read_back(config_maps),
                    secrets: read_back(secrets),
                },
                node: node.try_into()?,
            },
        })
    }
}

impl From<ImageFacts> for Image {
    fn from(facts: ImageFacts) -> Self {
        let ImageFacts {
            reference,
            digest,
            layers,
            user,
            environment,
            entrypoint,
            command,
            working_directory,
            stop_signal,
            passwd,
            group,
        } = facts;
        Self {
            reference,
            digest,
            layers,
            user,
            environment,
            entrypoint,
            command,
            working_directory,
            stop_signal,
            passwd,
            group,
        }
    }
}

impl From<Image> for ImageFacts {
    fn from(image: Image) -> Self {
        let Image {
            reference,
            digest,
            layers,
            user,
            environment,
            entrypoint,
            command,
            working_directory,
            stop_signal,
            passwd,
            group,
        } = image;
        Self {
            reference,
            digest,
            layers,
            user,
            environment,
            entrypoint,
            command,
            working_directory,
            stop_signal,
            passwd,
            group,
        }
    }
}

impl From<Result<ProfileFile, String>> for Profile {
    fn from(profile: Result<ProfileFile, String>) -> Self {
        match profile {
            Ok(ProfileFile { path, text }) => Self::Here { path, text },
            Err(why) => Self::Unreadable { why },
        }
    }
}

impl From<Profile> for Result<ProfileFile, String> {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Here { path, text } => Ok(ProfileFile { path, text }),
            Profile::Unreadable { why } => Err(why),
        }
    }
}

impl From<world::Node> for Node {
    fn from(node: world::Node) -> Self {
        let world::Node {
            kernel: Kernel { major, minor, release },
            architecture,
            capabilities,
            last_cpu,
            allowed_unsafe_sysctls,
            seccomp_default,
            legacy,
            hostname,
            pod_pids_limit,
            devices,
            user_namespace,
        } = node;
        Self {
            kernel: KernelRelease { major, minor, release },
            architecture: architecture.to_string(),
            capabilities: capabilities.0,
            last_cpu,
            allowed_unsafe_sysctls,
            seccomp_default: match seccomp_default {
                SeccompDefault::Unconfined => SeccompWord::Unconfined,
                SeccompDefault::RuntimeDefault => SeccompWord::RuntimeDefault,
            },
            legacy: match legacy {
                Legacy::Honoured { unconfined: LegacyUnconfined::Refused } => {
                    LegacyWord::Honoured { unconfined: UnconfinedWord::Refused }
                }
                Legacy::Honoured { unconfined: LegacyUnconfined::Taken } => {
                    LegacyWord::Honoured { unconfined: UnconfinedWord::Taken }
                }
                Legacy::Exactly(minor) => LegacyWord::Cluster { minor },
            },
            hostname,
            pod_pids_limit,
            devices: devices.into_iter().map(Into::into).collect(),
            user_namespace: match user_namespace {
                NodeUserNamespace::NotNeeded => None,
                NodeUserNamespace::Own(UserNamespace { uids, gids }) => {
                    Some(Maps { uids: ranges(&uids), gids: ranges(&gids) })
                }
            },
        }
    }
}

impl TryFrom<Node> for world::Node {
    type Error = String;

    fn try_from(node: Node) -> Result<Self, String> {
        let Node {
            kernel: KernelRelease { major, minor, release },
            architecture,
            capabilities,
            last_cpu,
            allowed_unsafe_sysctls,
            seccomp_default,
            legacy,
            hostname,
            pod_pids_limit,
            devices,
            user_namespace,
        } = node;
        let known = Architecture::ALL.into_iter().find(|it| it.to_string() == architecture);
        Ok(Self {
            kernel: Kernel { major, minor, release },
            architecture: known.ok_or_else(|| format!("no architecture is `{architecture}`"))?,
            capabilities: CapabilitySet(capabilities),
            last_cpu,
            allowed_unsafe_sysctls,
            seccomp_default: match seccomp_default {
                SeccompWord::Unconfined => SeccompDefault::Unconfined,
                SeccompWord::RuntimeDefault => SeccompDefault::RuntimeDefault,
            },
            legacy: match legacy {
                LegacyWord::Honoured { unconfined: UnconfinedWord::Refused } => {
                    Legacy::Honoured { unconfined: LegacyUnconfined::Refused }
                }
                LegacyWord::Honoured { unconfined: UnconfinedWord::Taken } => {
                    Legacy::Honoured { unconfined: LegacyUnconfined::Taken }
                }
                LegacyWord::Cluster { minor } => Legacy::Exactly(minor),
            },
            hostname,
            pod_pids_limit,
            devices: devices.into_iter().map(Into::into).collect(),
            user_namespace: match user_namespace {
                None => NodeUserNamespace::NotNeeded,
                Some(Maps { uids, gids }) => {
                    NodeUserNamespace::Own(UserNamespace { uids: map(&uids)?, gids: map(&gids)? })
                }
            },
        })
    }
}

fn ranges(map: &IdMap) -> Vec<[u32; 3]> {
    map.ranges().iter().map(|it| [it.inside(), it.outside(), it.length()]).collect()
}

fn map(ranges: &[[u32; 3]]) -> Result<IdMap, String> {
    let range = |[inside, outside, length]: &[u32; 3]| IdRange::new(*inside, *outside, *length);
    let ranges: Option<Vec<IdRange>> = ranges.iter().map(range).collect();
    ranges.and_then(IdMap::new).ok_or_else(|| "an id map is not valid".to_owned())
}

impl From<DeviceNode> for DeviceEntry {
    fn from(node: DeviceNode) -> Self {
        let DeviceNode { path, device, mode, uid, gid, made_by } = node;
        let numbers = |Device { kind, major, minor }| Numbers {
            kind: match kind {
                DeviceKind::Character => KindWord::Character,
                DeviceKind::Block => KindWord::Block,
            },
            major,
            minor,
        };
        let made_by = match made_by {
            NodeMaking::Mknod => MakingWord::Mknod,
            NodeMaking::Bind => MakingWord::Bind,
        };
        Self { path, device: device.map(numbers), mode, uid, gid, made_by }
    }
}

impl From<DeviceEntry> for DeviceNode {
    fn from(node: DeviceEntry) -> Self {
        let DeviceEntry { path, device, mode, uid, gid, made_by } = node;
        let numbers = |Numbers { kind, major, minor }| Device {
            kind: match kind {
                KindWord::Character => DeviceKind::Character,
                KindWord::Block => DeviceKind::Block,
            },
            major,
            minor,
        };
        let made_by = match made_by {
            MakingWord::Mknod => NodeMaking::Mknod,
            MakingWord::Bind => NodeMaking::Bind,
        };
        Self { path, device: device.map(numbers), mode, uid, gid, made_by }
    }
}

#[cfg(test)]
mod tests;
