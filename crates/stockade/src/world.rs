//! Fetches everything that lies outside of a manifest, once, before it is needed.
//!
//! [`references`] says what; from here on nobody asks questions. What cannot be fetched is told
//! with the line of the manifest that asks for it, in the kubelet's words.

mod accounts;
mod builtin;
mod host_devices;
mod objects;
mod profiles;

use std::collections::BTreeMap;

use rustix::system::uname;
use stockade_abi::host::Privilege;
use stockade_abi::{Architecture, CapabilitySet, Host, IdMap, IdRange};
use stockade_confine::plan::NodeMaking;
use stockade_confine::world::{
    ImageFacts, Legacy, LegacyUnconfined, Node, NodeUserNamespace, SeccompDefault,
};
use stockade_confine::{References, UserNamespace, World, references};
use stockade_image::{Digest, Image, Lease, Reference, Store};
use stockade_spec::{ContainerList, FieldPath, Place, Pod};

use crate::answer::Failure;
use crate::diagnostics::Diagnostic;
use crate::settings::{NodeArgs, Pull};
use crate::ui::Ui;

pub(crate) use objects::Given;

/// The world of a pod, and what of it is not here.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What could be fetched.
    pub(crate) world: World,
    /// Keep the images' layers in the store.
    pub(crate) leases: Vec<Lease>,
    /// What could not be fetched, though it may exist.
    pub(crate) missing: Vec<Diagnostic>,
    /// What is not to be fetched, or cannot exist.
    pub(crate) refused: Vec<Diagnostic>,
}

/// Loads what `pod` refers to.
///
/// # Errors
///
/// If this machine cannot be looked at; what the manifest asks for and is not here is no error but
/// told in the result.
pub(crate) fn load(
    pod: &Pod,
    given: &Given,
    host: &Host,
    args: &NodeArgs,
    store: &Store,
    ui: &mut Ui,
) -> Result<Loaded, Failure> {
    let References { images, profiles, config_maps, secrets } = references(pod);
    let mut loaded = Loaded {
        world: World {
            images: BTreeMap::new(),
            profiles: profiles::load(&args.seccomp_profile_root, &profiles),
            objects: given.load(pod.namespace(), &config_maps, &secrets),
            node: node(pod, host, args)?,
        },
        leases: Vec::new(),
        missing: Vec::new(),
        refused: Vec::new(),
    };
    for name in images {
        let place = place_of_image(pod, &name);
        let permission = Permission::of(pod, &name, args);
        match find(&name, permission, args, store, ui) {
            Ok(image) => {
                loaded.leases.push(image.hold()?);
                loaded.world.images.insert(name, facts(&image));
            }
            Err(Absent::Refused { reason, why, hint }) => {
                let mut told = Diagnostic::refusal(reason, place, why);
                told.hint = hint;
                loaded.refused.push(told);
            }
            Err(Absent::Failed { reason, why }) => {
                loaded.missing.push(Diagnostic::refusal(reason, place, why));
            }
        }
    }
    Ok(loaded)
}

/// Holds the images of a world that was loaded before.
///
/// # Errors
///
/// If one is no longer in the store.
pub(crate) fn hold(world: &World, store: &Store) -> Result<Vec<Lease>, Failure> {
    let hold = |facts: &ImageFacts| {
        // By id: its name may be another image's by now.
        let image = store.find_id(&facts.digest)?.ok_or_else(|| {
            let (name, id) = (&facts.reference, &facts.digest);
            Failure::unanswered(format!("the image {name} ({id}) is no longer in the store"))
        })?;
        Ok(image.hold()?)
    };
    world.images.values().map(hold).collect()
}

/// Why there is no image.
enum Absent {
    /// It must not be fetched, or cannot exist.
    Refused { reason: &'static str, why: String, hint: Option<String> },
    /// It could not be fetched.
    Failed { reason: &'static str, why: String },
}

/// Whether an image may be fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Permission {
    /// It is, even if it is here.
    Always,
    /// If it is not here.
    IfMissing,
    /// It is not.
    Never,
}

impl Permission {
    /// `--pull`, or the most that any container with this image permits. What is here satisfies the
    /// policy `Always` too: a pod must start without a network.
    fn of(pod: &Pod, image: &str, args: &NodeArgs) -> Self {
        match args.pull {
            Some(Pull::Always) => Self::Always,
            Some(Pull::Missing) => Self::IfMissing,
            Some(Pull::Never) => Self::Never,
            None => {
                let mut users = pod.containers().filter(|it| it.image == Some(image));
                let never = users.all(|it| it.image_pull_policy == Some("Never"));
                if never { Self::Never } else { Self::IfMissing }
            }
        }
    }
}

fn find(
    name: &str,
    permission: Permission,
    args: &NodeArgs,
    store: &Store,
    ui: &mut Ui,
) -> Result<Image, Absent> {
    let reference: Reference = name.parse().map_err(|error: stockade_image::ReferenceError| {
        Absent::Refused { reason: "InvalidImageName", why: error.to_string(), hint: None }
    })?;
    if builtin::is_toolbox(&reference) {
        return builtin::toolbox(store, &reference).map_err(|error| Absent::Failed {
            reason: "CreateContainerError",
            why: format!("the built-in image cannot be made: {error}"),
        });
    }
    let here = store
        .find(&reference)
        .map_err(|error| Absent::Failed { reason: "ImageInspectError", why: error.to_string() })?;
    match (here, permission) {
        (Some(image), Permission::IfMissing | Permission::Never) => Ok(image),
        (None, Permission::Never) => Err(Absent::Refused {
            reason: "ErrImageNeverPull",
            why: format!("Container image {name:?} is not present with pull policy of Never"),
            hint: Some(
                "bring it here with `stockade image import` or `stockade image pull`".to_owned(),
            ),
        }),
        (Some(_) | None, Permission::Always) | (None, Permission::IfMissing) => {
            store.pull(&reference, &args.pull_options(), ui).map_err(|error| Absent::Failed {
                reason: "ErrImagePull",
                why: format!("Failed to pull image {name:?}: {error}"),
            })
        }
    }
}

fn place_of_image(pod: &Pod, image: &str) -> Place {
    let mut containers = pod.containers().filter(|it| it.list != ContainerList::Ephemeral);
    let user = containers.find(|it| it.image == Some(image)).map(|it| it.path);
    pod.place(&user.unwrap_or_else(|| FieldPath::from("spec.containers")).child("image"))
}

fn facts(image: &Image) -> ImageFacts {
    let Image { reference, config_digest, config, layers, ownership: _, skipped: _ } = image;
    ImageFacts {
        reference: reference.to_string(),
        digest: Digest::to_string(config_digest),
        layers: layers.iter().map(|it| it.to_string_lossy().into_owned()).collect(),
        user: config.user.clone().unwrap_or_default(),
        environment: config.env.clone(),
        entrypoint: config.entrypoint.clone(),
        command: config.cmd.clone(),
        working_directory: config.working_dir.clone().unwrap_or_default(),
        stop_signal: config.stop_signal.clone().unwrap_or_default(),
        passwd: accounts::read(layers, "passwd"),
        group: accounts::read(layers, "group"),
    }
}

fn node(pod: &Pod, host: &Host, args: &NodeArgs) -> Result<Node, Failure> {
    let is_privileged =
        pod.containers().any(|it| it.security_context.and_then(|it| it.privileged) == Some(true));
    let made_by = match &host.privilege {
        Privilege::Root { .. } => NodeMaking::Mknod,
        Privilege::User { .. } => NodeMaking::Bind,
    };
    let devices = if is_privileged { host_devices::list(made_by)? } else { Vec::new() };
    Ok(Node {
        allowed_unsafe_sysctls: args.sysctls(),
        seccomp_default: args.unset_seccomp(),
        legacy: args.legacy(),
        pod_pids_limit: args.pod_max_pids,
        devices,
        ..bare_node(host)?
    })
}

/// The node without settings, which is all that matters to a bundle: that says everything itself.
pub(crate) fn bare_node(host: &Host) -> Result<Node, Failure> {
    let (capabilities, user_namespace) = match &host.privilege {
        Privilege::Root { capabilities } => (*capabilities, NodeUserNamespace::NotNeeded),
        Privilege::User { uid, gid, user_namespace: _ } => {
            let own =
                single(*uid).zip(single(*gid)).map(|(uids, gids)| UserNamespace { uids, gids });
            let own = own.ok_or_else(|| {
                Failure::unanswered(format!("user {uid} and group {gid} cannot be mapped"))
            })?;
            // Everything, over what belongs to the namespace.
            (CapabilitySet::up_to(host.last_capability), NodeUserNamespace::Own(own))
        }
    };
    Ok(Node {
        kernel: host.kernel.clone(),
        architecture: Architecture::NATIVE,
        capabilities,
        last_cpu: host.last_cpu,
        allowed_unsafe_sysctls: Vec::new(),
        seccomp_default: SeccompDefault::Unconfined,
        legacy: Legacy::Honoured { unconfined: LegacyUnconfined::Refused },
        hostname: uname().nodename().to_string_lossy().into_owned(),
        pod_pids_limit: None,
        devices: Vec::new(),
        user_namespace,
    })
}

/// Root inside is who we are outside.
fn single(id: u32) -> Option<IdMap> {
    IdMap::new(vec![IdRange::new(0, id, 1)?])
}
