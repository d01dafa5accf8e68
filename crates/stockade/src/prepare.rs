//! From what is on the command line to pods that can be started.
//!
//! ```text
//! files ─ read ─▶ text ─ parse, validate ─▶ Pod ─ load ─▶ World ─ judge ─▶ Prepared
//!                            │                      │                │
//!                            ▼                      ▼                ▼
//!                         mistakes        what is not here        refusals
//! ```
//!
//! Everything that stands in the way is told at once, each with its line. Nothing is made on the
//! way but images in the store. The same judgement can be had again later from a [`Record`], without
//! asking anything but the kernel.

use std::path::PathBuf;

use stockade_abi::Host;
use stockade_admit::{Runnable, admit};
use stockade_confine::plan::Plan;
use stockade_confine::{Reason, Refusal, RestartDefault, World, plan, plan_pod, resolve};
use stockade_image::{Lease, Store};
use stockade_spec::{ApiVersion, FieldPath, Manifest, Pod, Rules, parse};

use crate::answer::{Answer, Failure};
use crate::diagnostics::{Diagnostic, Texts, Weight};
use crate::inputs;
use crate::record::{Document, Record};
use crate::settings::{Demand, Demands, NodeArgs};
use crate::ui::{Ui, plain};
use crate::world::{self, Given, Loaded};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// Files, directories, `-`.
    pub(crate) inputs: &'a [PathBuf],
    /// The namespace of pods that name none (`-n`).
    pub(crate) namespace: Option<&'a str>,
    /// What an unset `restartPolicy` means.
    pub(crate) restart: RestartDefault,
    /// How the node is set up.
    pub(crate) node: &'a NodeArgs,
}

/// A pod that can be started: judged, planned, and everything it needs is here.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Where it is written.
    pub(crate) document: Document,
    /// What is said.
    pub(crate) pod: Pod,
    /// What lies outside of the manifest.
    pub(crate) world: World,
    /// What this machine can do.
    pub(crate) host: Host,
    /// What an unset `restartPolicy` means.
    pub(crate) restart: RestartDefault,
    /// What is demanded of the report.
    pub(crate) demands: Demands,
    /// What is meant, and the proof that it may be done.
    pub(crate) runnable: Runnable,
    /// What makes the pod's own namespaces, if it has any.
    pub(crate) pod_plan: Option<Plan>,
    /// What starts each container, in the manifest's order.
    pub(crate) container_plans: Vec<Plan>,
    /// Keep the layers of the images in the store. Empty after [`Prepared::again`]: see
    /// [`world::hold`].
    #[expect(dead_code, reason = "held as long as the pod is prepared, and not read")]
    pub(crate) leases: Vec<Lease>,
}

impl Prepared {
    /// What has to be known to have the same judgement again.
    pub(crate) fn record(&self) -> Record {
        Record {
            document: self.document.clone(),
            restart: self.restart,
            demands: self.demands,
            world: self.world.clone(),
        }
    }

    /// Judges what was recorded anew, on the machine as it is now.
    ///
    /// # Errors
    ///
    /// If the machine has changed so that the pod is refused now.
    pub(crate) fn again(record: Record, host: Host) -> Result<Self, Failure> {
        let Record { document, restart, demands, world } = record;
        let parsed = parse(&document.file, &document.text);
        let pod = parsed.pods().nth(document.index).cloned().ok_or_else(|| {
            Failure::unanswered(format!("there is no pod {} in {}", document.index, document.file))
        })?;
        let pod = in_namespace(pod, document.namespace.as_deref());
        let Judged { runnable, pod_plan, container_plans } = judge(&pod, &world, &host, restart)
            .map_err(|refusals| {
                let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                Failure::new(Answer::No, all.join("\n"))
            })?;
        let leases = Vec::new();
        Ok(Self {
            document,
            pod,
            world,
            host,
            restart,
            demands,
            runnable,
            pod_plan,
            container_plans,
            leases,
        })
    }
}

/// Reads and judges what is asked for, and tells what is wrong with it. At least one pod.
///
/// # Errors
///
/// If any pod cannot be started: all or nothing.
pub(crate) fn prepare(
    request: &Request<'_>,
    store: &Store,
    ui: &mut Ui,
) -> Result<Vec<Prepared>, Failure> {
    let host = stockade_observe::host().map_err(Failure::unanswered)?;
    request.node.check(&host, ui)?;
    let mut texts = Texts::default();
    let (documents, given) = read(request, &mut texts, ui)?;

    let mut prepared = Vec::with_capacity(documents.len());
    let mut told = Told::default();
    for (document, pod) in documents {
        let Loaded { world, leases, missing, refused } =
            world::load(&pod, &given, &host, request.node, store, ui)?;
        let demands = request.node.demands();
        told.unanswered.extend(missing);
        told.refused.extend(refused);
        match judge(&pod, &world, &host, request.restart) {
            Ok(Judged { runnable, pod_plan, container_plans }) => {
                let warnings = runnable.resolved().warnings.iter().map(Diagnostic::from);
                told.warnings.extend(warnings);
                prepared.push(Prepared {
                    document,
                    pod,
                    world,
                    host: host.clone(),
                    restart: request.restart,
                    demands,
                    runnable,
                    pod_plan,
                    container_plans,
                    leases,
                });
            }
            Err(refusals) => told.refuse(&refusals),
        }
    }
    told.tell(&texts, request.node.demands(), ui)?;
    Ok(prepared)
}

/// The namespaces, where they are said, and names of the pods in `inputs`. That a pod could not be
/// started is no matter to whoever only names it.
///
/// # Errors
///
/// If an input cannot be read, or has no pod in it.
pub(crate) fn names(inputs: &[PathBuf]) -> Result<Vec<(Option<String>, String)>, Failure> {
    let mut names = Vec::new();
    for inputs::Text { file, text } in inputs::read(inputs)? {
        let parsed = parse(&file, &text);
        let before = names.len();
        names.extend(parsed.pods().map(|pod| {
            let namespace = pod.object.metadata.namespace.clone();
            (namespace.filter(|it| !it.is_empty()), pod.name().to_owned())
        }));
        if names.len() == before && parsed.data().next().is_none() {
            let why = parsed.findings.first().map(|it| format!(": {it}")).unwrap_or_default();
            return Err(Failure::question(format!("there is no pod in {file}{why}")));
        }
    }
    if names.is_empty() && !inputs.is_empty() {
        return Err(Failure::question("there is no pod in what was given"));
    }
    Ok(names)
}

/// What a pod comes to.
struct Judged {
    runnable: Runnable,
    pod_plan: Option<Plan>,
    container_plans: Vec<Plan>,
}

/// What is meant, whether it may be done, and how.
fn judge(
    pod: &Pod,
    world: &World,
    host: &Host,
    restart: RestartDefault,
) -> Result<Judged, Vec<Refusal>> {
    let resolved = resolve(pod, world, restart)?;
    // Planned before it is admitted, so that what the node forbids and what this machine cannot do
    // are told together; without the admission the plans go nowhere.
    let mut refusals = Vec::new();
    let mut keep = |result: Result<Plan, Vec<Refusal>>| {
        let more = match result {
            Ok(plan) => return Some(plan),
            Err(more) => more,
        };
        // Containers that share a field are refused for it once.
        for refusal in more {
            if !refusals.contains(&refusal) {
                refusals.push(refusal);
            }
        }
        None
    };
    let pod_plan = plan_pod(&resolved.pod, host).transpose().and_then(&mut keep);
    let container_plans: Vec<Plan> = resolved
        .containers
        .iter()
        .filter_map(|container| keep(plan(container, &resolved.pod, host)))
        .collect();
    match admit(pod, resolved, world, host) {
        Ok(runnable) if refusals.is_empty() => Ok(Judged { runnable, pod_plan, container_plans }),
        Ok(_) => Err(refusals),
        Err(mut all) => {
            all.extend(refusals);
            Err(all)
        }
    }
}

/// Reads the pods that are asked for, and tells what is wrong with their text.
fn read(
    request: &Request<'_>,
    texts: &mut Texts,
    ui: &mut Ui,
) -> Result<(Vec<(Document, Pod)>, Given), Failure> {
    let rules = match request.node.kubernetes_version {
        Some(version) => Rules::from(ApiVersion(u16::try_from(version.0).unwrap_or(u16::MAX))),
        None => Rules::HERE,
    };
    let mut pods = Vec::new();
    let mut given = Given::default();
    let mut mistakes = Vec::new();
    for inputs::Text { file, text } in inputs::read(request.inputs)? {
        texts.insert(&file, &text);
        let parsed = parse(&file, &text);
        mistakes.extend(parsed.mistakes(rules).iter().map(Diagnostic::from));
        for manifest in &parsed.manifests {
            match manifest {
                Manifest::Pod(_) => {}
                Manifest::Data(data) => given.add(data, request.namespace)?,
                Manifest::Other(other) => {
                    let (kind, name) = (plain(&other.kind), plain(&other.name));
                    let place = &other.place;
                    ui.note(&format!("{place}: {kind} `{name}` is no pod and is left aside"));
                }
            }
        }
        for (index, pod) in parsed.pods().enumerate() {
            let document = Document {
                file: file.clone(),
                text: text.clone(),
                index,
                namespace: request.namespace.map(str::to_owned),
            };
            check_namespace(pod, request.namespace)?;
            pods.push((document, in_namespace(pod.clone(), request.namespace)));
        }
    }
    texts.tell(&mistakes, ui);
    let is_strict = request.node.demands().adjusted == Demand::Refuse;
    if mistakes.iter().any(|it| it.weight == Weight::Error || is_strict) {
        return Err(Failure::Said(Answer::WrongQuestion));
    }
    if pods.is_empty() {
        return Err(Failure::question("there is no pod in what was given"));
    }
    Ok((pods, given))
}

fn check_namespace(pod: &Pod, asked: Option<&str>) -> Result<(), Failure> {
    let said = pod.object.metadata.namespace.as_deref().filter(|it| !it.is_empty());
    match (said, asked) {
        // As kubectl does.
        (Some(said), Some(asked)) if said != asked => Err(Failure::question(format!(
            "the namespace from the provided object \"{}\" does not match the namespace \"{}\". \
             You must pass '--namespace={}' to perform this operation",
            plain(said),
            plain(asked),
            plain(said),
        ))),
        (_, _) => Ok(()),
    }
}

fn in_namespace(mut pod: Pod, asked: Option<&str>) -> Pod {
    if let Some(asked) = asked {
        pod.object.metadata.namespace = Some(asked.to_owned());
    }
    pod
}

/// What stands in the way, and what does not.
#[derive(Default)]
struct Told {
    warnings: Vec<Diagnostic>,
    refused: Vec<Diagnostic>,
    unanswered: Vec<Diagnostic>,
}

impl Told {
    /// Takes refusals, without those that only say that an image is not here: that was told with
    /// the reason, and what an absent image does not say cannot be held against the pod.
    fn refuse(&mut self, refusals: &[Refusal]) {
        let absent: Vec<FieldPath> = (self.refused.iter().chain(&self.unanswered))
            .filter_map(|it| Some(it.place.as_ref()?.path.clone()))
            .filter(|it| it.as_str().ends_with(".image"))
            .collect();
        let follows = |it: &&Refusal| {
            let path = it.place.path.as_str();
            match it.reason {
                Reason::ErrImageNeverPull => !absent.is_empty(),
                Reason::CreateContainerConfigError => absent.iter().any(|image| {
                    let container = image.as_str().trim_end_matches("image");
                    let field = path.strip_prefix(container);
                    matches!(field, Some("command" | "workingDir"))
                        || path.ends_with("runAsNonRoot")
                }),
                Reason::SysctlForbidden
                | Reason::AppArmor
                | Reason::NotEnforced
                | Reason::Unsupported => false,
            }
        };
        let own = refusals.iter().filter(|it| !follows(it));
        self.refused.extend(own.map(Diagnostic::from));
    }

    fn tell(self, texts: &Texts, demands: Demands, ui: &mut Ui) -> Result<(), Failure> {
        let Self { warnings, refused, unanswered } = self;
        texts.tell(&warnings, ui);
        texts.tell(&refused, ui);
        texts.tell(&unanswered, ui);
        if !refused.is_empty() {
            Err(Failure::Said(Answer::No))
        } else if !unanswered.is_empty() {
            Err(Failure::Said(Answer::Unanswered))
        } else if !warnings.is_empty() && demands.adjusted == Demand::Refuse {
            Err(Failure::new(Answer::No, "a warning is a refusal under --strict"))
        } else {
            Ok(())
        }
    }
}
