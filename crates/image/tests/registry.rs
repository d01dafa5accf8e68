//! Images from registries: Debian's `docker-registry` on loopback, and servers that lie.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::archive::file;
use common::trial::{Test, run};
use common::{INDEX, MANIFEST, Parts, Place, architecture, descriptor, reference, with};
use serde_json::{Value, json};
use stockade_image::{Auth, Digest, Error, Progress, PullOptions, Silent, Store};

fn main() -> ExitCode {
    if let Some(root) = std::env::var_os("STOCKADE_TEST_PULL_INTO") {
        let name = reference(&std::env::args().nth(2).unwrap());
        let store = Store::open(Path::new(&root)).unwrap();
        let pulled = store.pull(&name, &PullOptions::default(), &mut Silent);
        if let Err(error) = &pulled {
            eprintln!("{error}");
        }
        return ExitCode::from(u8::from(pulled.is_err()));
    }
    let has_registry = Path::new(PROGRAM).exists();
    let lacks = (!has_registry).then_some("this needs Debian's docker-registry");
    let code = run(
        &[
            Test { name: "an_image_is_pulled_by_tag_and_by_digest", run: by_tag_and_digest },
            Test { name: "the_image_for_this_machine_is_pulled", run: from_index },
            Test { name: "layers_that_are_here_are_not_fetched", run: shared_layers },
            Test { name: "a_missing_image_is_called_missing", run: missing },
            Test { name: "a_damaged_blob_is_refused", run: damaged },
            Test { name: "a_registry_may_want_a_password", run: password },
            Test { name: "no_thread_is_left", run: no_thread },
        ],
        lacks,
    );
    if code != ExitCode::SUCCESS {
        return code;
    }
    // These need nothing.
    run(
        &[
            Test { name: "a_blob_longer_than_announced_is_cut_off", run: endless_blob },
            Test { name: "a_pinned_manifest_is_the_pinned_one", run: other_manifest },
            Test { name: "foreign_addresses_are_not_followed", run: foreign_address },
            Test { name: "what_a_registry_says_steers_no_terminal", run: rude_registry },
            Test { name: "a_registry_that_is_not_there_is_an_error", run: nobody_there },
            Test { name: "a_machine_that_trusts_nobody_is_an_error", run: no_authorities },
        ],
        None,
    )
}

fn by_tag_and_digest() {
    let place = Place::in_memory();
    let registry = Registry::start(&place, "");
    let parts = Parts::new(&[&[file("a", b"a")], &[file("b", b"b")]]);
    let manifest = registry.push("team/app", "1.0", &parts);
    let store = Store::open(&place.root()).unwrap();
    // By address, and by a name that has to be resolved.
    for host in ["127.0.0.1", "localhost"] {
        let name = reference(&format!("{host}:{}/team/app:1.0", registry.port));
        let mut told = Told::default();
        let image = store.pull(&name, &anonymous(), &mut told).unwrap();
        assert_eq!(image.reference, name);
        assert_eq!(image.config_digest, Digest::of(&parts.config));
        assert_eq!(fs::read(image.layers[1].join("b")).unwrap(), b"b");
        assert_eq!(place.stored("tmp"), [""; 0]);
        if host == "127.0.0.1" {
            assert!(told.0.iter().any(|it| it.contains("pull") && it.contains("layer 2/2")));
        }
    }
    let pinned = reference(&format!("127.0.0.1:{}/team/app@{manifest}", registry.port));
    assert!(store.find(&pinned).unwrap().is_some(), "the digest is known from the pull by tag");
    // Most machines have no configuration of Docker's.
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["pull", &pinned.to_string()])
        .env("DOCKER_CONFIG", place.path("none"))
        .env("STOCKADE_TEST_PULL_INTO", place.path("third"))
        .status();
    assert!(status.unwrap().success());
    let other = Store::open(&place.path("other")).unwrap();
    let image = other.pull(&pinned, &anonymous(), &mut Silent).unwrap();
    assert_eq!(image.reference, pinned);
    assert_eq!(image.config_digest, Digest::of(&parts.config));
}

fn from_index() {
    let place = Place::in_memory();
    let registry = Registry::start(&place, "");
    let mut entries = Vec::new();
    for (arch, content) in [("other", "wrong"), (architecture(), "right")] {
        let parts = Parts::new(&[&[file("which", content)]]);
        registry.push("app", arch, &parts);
        let manifest = parts.manifest(&parts.plain()).to_string();
        let platform = json!({"os": "linux", "architecture": arch});
        entries.push(with(descriptor(MANIFEST, manifest.as_bytes()), "platform", platform));
    }
    let put_index = |tag: &str, entries: &[Value]| {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        registry.put_manifest("app", tag, INDEX, index.to_string().as_bytes());
    };
    put_index("many", &entries);
    put_index("none", &entries[..1]);
    let store = Store::open(&place.root()).unwrap();
    let image = store.pull(&registry.image("app:many"), &anonymous(), &mut Silent).unwrap();
    assert_eq!(fs::read_to_string(image.layers[0].join("which")).unwrap(), "right");
    let error = store.pull(&registry.image("app:none"), &anonymous(), &mut Silent).unwrap_err();
    assert!(matches!(&error, Error::Platform { .. }), "{error}");
    assert!(error.to_string().contains("linux/other"), "{error}");
}

fn shared_layers() {
    let place = Place::in_memory();
    let registry = Registry::start(&place, "");
    let shared = &[file("shared", b"s")][..];
    registry.push("one", "1", &Parts::new(&[shared]));
    registry.push("two", "1", &Parts::new(&[shared, &[file("own", b"o")], shared]));
    let store = Store::open(&place.root()).unwrap();
    store.pull(&registry.image("one:1"), &anonymous(), &mut Silent).unwrap();
    let mut told = Told::default();
    let image = store.pull(&registry.image("two:1"), &anonymous(), &mut told).unwrap();
    assert_eq!(image.layers.len(), 2, "the lower of two equal layers is nothing");
    let pulled: Vec<_> = told.0.iter().filter(|it| it.starts_with("pull ")).collect();
    assert!(!pulled.is_empty() && pulled.iter().all(|it| it.contains("layer 2/3")), "{pulled:?}");
}

fn missing() {
    let place = Place::in_memory();
    let registry = Registry::start(&place, "");
    registry.push("app", "1", &Parts::new(&[]));
    let store = Store::open(&place.root()).unwrap();
    for name in ["app:2", "nothing:1"] {
        let error = store.pull(&registry.image(name), &anonymous(), &mut Silent).unwrap_err();
        assert!(error.to_string().contains("no such image"), "{error}");
    }
}

fn damaged() {
    let place = Place::in_memory();
    let registry = Registry::start(&place, "");
    let parts = Parts::new(&[&[file("a", b"a")]]);
    registry.push("app", "1", &parts);
    let hex = Digest::of(&parts.layers[0]).hex();
    let blob = place
        .path("registry/docker/registry/v2/blobs/sha256")
        .join(&hex[..2])
        .join(&hex)
        .join("data");
    let mut bytes = fs::read(&blob).unwrap();
    bytes[600] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let store = Store::open(&place.root()).unwrap();
    let error = store.pull(&registry.image("app:1"), &anonymous(), &mut Silent).unwrap_err();
    assert!(error.to_string().contains(&hex), "{error}");
    assert!(store.list().unwrap().is_empty());
    assert_eq!(place.stored("layers"), ["none"]);
}

fn password() {
    let place = Place::in_memory();
    // The password is `secret`.
    let line = "user:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";
    let users = place.write("users", line.as_bytes());
    let auth = format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", users.display());
    let registry = Registry::start(&place, &auth);
    registry.push("app", "1", &Parts::new(&[&[file("a", b"a")]]));
    let store = Store::open(&place.root()).unwrap();
    let name = registry.image("app:1");
    let with = |password: &str| PullOptions {
        auth: Auth::Basic { user: "user".into(), password: password.into() },
        ..PullOptions::default()
    };
    for options in [anonymous(), with("wrong")] {
        let error = store.pull(&name, &options, &mut Silent).unwrap_err().to_string();
        assert!(error.contains("denies access") && !error.contains("wrong"), "{error}");
    }
    store.pull(&name, &with("secret"), &mut Silent).unwrap();
    assert!(!format!("{:?}", with("secret")).contains("secret"));
    from_dockers_configuration(&place, &registry);
}

/// Docker's configuration is found by an environment variable, so this is another process's work.
fn from_dockers_configuration(place: &Place, registry: &Registry) {
    let directory = place.path("docker");
    fs::create_dir(&directory).unwrap();
    // `user:secret`.
    let auths =
        json!({"auths": {format!("127.0.0.1:{}", registry.port): {"auth": "dXNlcjpzZWNyZXQ="}}});
    for (content, expected) in [
        (Some(auths.to_string()), true),
        (Some(r#"{"auths": {}}"#.to_owned()), false),
        (Some("{".to_owned()), false),
        (None, false),
    ] {
        let path = directory.join("config.json");
        match &content {
            Some(content) => fs::write(path, content).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        let store = place.path(&format!("store {}", content.as_ref().map_or(0, String::len)));
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["pull", &registry.image("app:1").to_string()])
            .env("DOCKER_CONFIG", &directory)
            .env("STOCKADE_TEST_PULL_INTO", &store)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.success(), expected, "{content:?}");
    }
}

fn no_thread() {
    let place = Place::in_memory();
    let registry = Registry::start(&place, "");
    registry.push("app", "1", &Parts::new(&[&[file("a", vec![7; 5 << 20])]]));
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    struct Count(usize);
    impl Progress for Count {
        fn step(&mut self, _: &str, _: u64, _: Option<u64>) {
            self.0 = self.0.max(fs::read_dir("/proc/self/task").unwrap().count());
        }
    }
    let before = threads();
    let mut most = Count(0);
    for round in 0..20 {
        let store = Store::open(&place.path(&format!("root {round}"))).unwrap();
        // The name makes the client resolve it, for which it starts a thread.
        let name = reference(&format!("localhost:{}/app:1", registry.port));
        store.pull(&name, &anonymous(), &mut most).unwrap();
        assert_eq!(threads(), before, "round {round}");
    }
    assert!(most.0 > before, "the control: there was a thread to be left");
    let missing = reference(&format!("localhost:{}/nothing", registry.port));
    Store::open(&place.root()).unwrap().pull(&missing, &anonymous(), &mut Silent).unwrap_err();
    assert_eq!(threads(), before, "after an error");
}

fn endless_blob() {
    let place = Place::in_memory();
    let parts = Parts::new(&[&[file("a", b"a")]]);
    let manifest = parts.manifest(&parts.plain()).to_string();
    let layer = Digest::of(&parts.layers[0]).to_string();
    let config = parts.config.clone();
    let server = Server::start(move |path, stream| {
        if path.contains("/manifests/") {
            answer(stream, MANIFEST, manifest.as_bytes());
        } else if path.ends_with(&layer) {
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).ok();
            let zeros = vec![0; 1 << 16];
            while stream.write_all(&zeros).is_ok() {}
        } else if path.contains("/blobs/") {
            answer(stream, "application/octet-stream", &config);
        } else {
            answer(stream, "text/plain", b"");
        }
    });
    let store = Store::open(&place.root()).unwrap();
    let error = store.pull(&server.image(), &anonymous(), &mut Silent).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert_eq!(place.stored("tmp"), [""; 0]);
}

fn other_manifest() {
    let place = Place::in_memory();
    let parts = Parts::new(&[]);
    let manifest = parts.manifest(&[]).to_string();
    let server = Server::start(move |_, stream| answer(stream, MANIFEST, manifest.as_bytes()));
    let store = Store::open(&place.root()).unwrap();
    let pinned = format!("127.0.0.1:{}/app@{}", server.port, Digest::of(b"another"));
    let error = store.pull(&reference(&pinned), &anonymous(), &mut Silent).unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. } | Error::Registry { .. }), "{error}");
    assert!(store.list().unwrap().is_empty());
}

fn foreign_address() {
    let place = Place::in_memory();
    let parts = Parts::new(&[&[file("a", b"a")]]);
    let contacts = Arc::new(AtomicUsize::new(0));
    let layer = parts.layers[0].clone();
    let counter = contacts.clone();
    let foreign = Server::start(move |_, stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        answer(stream, "application/octet-stream", &layer);
    });
    let mut manifest = parts.manifest(&parts.plain());
    manifest["layers"][0]["urls"] = json!([format!("http://127.0.0.1:{}/layer", foreign.port)]);
    let manifest = manifest.to_string();
    let config = parts.config.clone();
    let layer = Digest::of(&parts.layers[0]).to_string();
    let server = Server::start(move |path, stream| {
        if path.contains("/manifests/") {
            answer(stream, MANIFEST, manifest.as_bytes());
        } else if path.ends_with(&layer) {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok();
        } else {
            answer(stream, "application/octet-stream", &config);
        }
    });
    let store = Store::open(&place.root()).unwrap();
    store.pull(&server.image(), &anonymous(), &mut Silent).unwrap_err();
    assert_eq!(contacts.load(Ordering::SeqCst), 0);
}

fn rude_registry() {
    let place = Place::in_memory();
    let server = Server::start(|_, stream| {
        let body = "\x1b[2J\x1b]0;gotcha\x07";
        let head = format!("HTTP/1.1 500 No\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).ok();
    });
    let store = Store::open(&place.root()).unwrap();
    let error = store.pull(&server.image(), &anonymous(), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("500") && !error.contains(['\x1b', '\x07']), "{error:?}");
}

fn nobody_there() {
    let place = Place::in_memory();
    let store = Store::open(&place.root()).unwrap();
    let name = reference(&format!("127.0.0.1:{}/app", free_port()));
    let error = store.pull(&name, &anonymous(), &mut Silent).unwrap_err();
    assert!(matches!(error, Error::Registry { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

fn no_authorities() {
    let place = Place::in_memory();
    let empty = place.write("empty", b"");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["pull", "registry.invalid/app"])
        .env("SSL_CERT_FILE", &empty)
        .env("SSL_CERT_DIR", place.path("none"))
        .env("DOCKER_CONFIG", place.path("none"))
        .env("STOCKADE_TEST_PULL_INTO", place.root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ca-certificates"), "{said}");
}

/// Debian's registry, with its files in the directory of the test.
struct Registry {
    process: Child,
    port: u16,
    password: bool,
}

impl Registry {
    fn start(place: &Place, more: &str) -> Self {
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  \
             filesystem:\n    rootdirectory: {}\nhttp:\n  addr: localhost:{port}\n{more}",
            place.path("registry").display()
        );
        let config = place.write("registry.yml", config.as_bytes());
        let process = Command::new(PROGRAM)
            .arg("serve")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { process, port, password: more.contains("htpasswd") };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "the registry did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    fn image(&self, name: &str) -> stockade_image::Reference {
        reference(&format!("127.0.0.1:{}/{name}", self.port))
    }

    /// Pushes an image and returns the digest of its manifest.
    fn push(&self, name: &str, tag: &str, parts: &Parts) -> String {
        self.push_blob(name, &parts.config);
        for layer in &parts.layers {
            self.push_blob(name, layer);
        }
        let manifest = parts.manifest(&parts.plain()).to_string();
        self.put_manifest(name, tag, MANIFEST, manifest.as_bytes());
        Digest::of(manifest.as_bytes()).to_string()
    }

    fn push_blob(&self, name: &str, bytes: &[u8]) {
        let (status, headers) =
            self.request("POST", &format!("/v2/{name}/blobs/uploads/"), "", b"");
        assert_eq!(status, 202);
        let location = headers.iter().find_map(|it| it.strip_prefix("location: ")).unwrap();
        let path = location.find("/v2/").map_or(location, |at| &location[at..]);
        let path = format!("{path}&digest={}", Digest::of(bytes));
        assert_eq!(self.request("PUT", &path, "application/octet-stream", bytes).0, 201);
    }

    fn put_manifest(&self, name: &str, tag: &str, media_type: &str, bytes: &[u8]) {
        let path = format!("/v2/{name}/manifests/{tag}");
        assert_eq!(self.request("PUT", &path, media_type, bytes).0, 201);
    }

    fn request(&self, verb: &str, path: &str, kind: &str, body: &[u8]) -> (u16, Vec<String>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let login = if self.password { "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" } else { "" };
        let head = format!(
            "{verb} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n{login}Connection: close\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: String| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
            None => line,
        };
        (status, lines.take_while(|line| !line.is_empty()).map(header).collect())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A server that answers as a test likes.
struct Server {
    port: u16,
}

impl Server {
    fn start(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = BufReader::new(stream.try_clone().unwrap());
                let mut first = String::new();
                request.read_line(&mut first).ok();
                let mut line = String::from("x");
                while !line.trim().is_empty() {
                    line.clear();
                    request.read_line(&mut line).ok();
                }
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                answer(&path, &mut stream);
                stream.shutdown(std::net::Shutdown::Write).ok();
                stream.take(1 << 20).read_to_end(&mut Vec::new()).ok();
            }
        });
        Self { port }
    }

    fn image(&self) -> stockade_image::Reference {
        reference(&format!("127.0.0.1:{}/app:1", self.port))
    }
}

fn answer(stream: &mut TcpStream, kind: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok();
}

#[derive(Default)]
struct Told(Vec<String>);

impl Progress for Told {
    fn step(&mut self, what: &str, _: u64, _: Option<u64>) {
        self.0.push(what.to_owned());
    }
}

fn anonymous() -> PullOptions {
    PullOptions { auth: Auth::Anonymous, ..PullOptions::default() }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const PROGRAM: &str = "/usr/bin/docker-registry";
