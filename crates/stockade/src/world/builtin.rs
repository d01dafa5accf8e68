//! The built-in image `stockade/toolbox`: this very program, which is every command of the toolbox.
//!
//! It needs no registry and no network. There is no shell in it.

use stockade_image::{BuiltinFile, BuiltinKind, Error, Image, ImageConfig, Reference, Store};

/// Whether a reference means the built-in image. Another tag or a digest of the same name does not.
pub(super) fn is_toolbox(reference: &Reference) -> bool {
    reference.to_string() == "docker.io/stockade/toolbox:latest"
}

/// Returns the built-in image, made anew if this program is not the one that made it.
pub(super) fn toolbox(store: &Store, reference: &Reference) -> Result<Image, Error> {
    store.ensure_builtin(reference, &files(), &config())
}

fn config() -> ImageConfig {
    ImageConfig {
        env: vec!["PATH=/bin".to_owned()],
        working_dir: Some("/".to_owned()),
        ..ImageConfig::default()
    }
}

fn files() -> Vec<BuiltinFile> {
    let file = |path: &str, kind| BuiltinFile { path: path.to_owned(), kind };
    let text = |content: &str| BuiltinKind::Text { content: content.into(), mode: 0o644 };
    let program = BuiltinKind::File { source: "/proc/self/exe".into(), mode: 0o755 };
    let mut files = vec![
        file("/bin/stockade", program),
        file("/etc/group", text(GROUP)),
        file("/etc/passwd", text(PASSWD)),
        file("/tmp", BuiltinKind::Dir { mode: 0o1777 }),
    ];
    files.extend(stockade_toolbox::COMMANDS.iter().map(|command| {
        let link = BuiltinKind::Symlink { target: "stockade".to_owned() };
        file(&format!("/bin/{}", command.name), link)
    }));
    files
}

const PASSWD: &str = "root:x:0:0:root:/:/bin/false\n\
                      nobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_without_anything_else_is_ours() {
        for (text, expected) in [
            ("stockade/toolbox", true),
            ("stockade/toolbox:latest", true),
            ("docker.io/stockade/toolbox", true),
            ("stockade/toolbox:1", false),
            ("quay.io/stockade/toolbox", false),
            ("toolbox", false),
        ] {
            assert_eq!(is_toolbox(&text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn the_image_has_its_commands_and_is_made_once() {
        let base = std::env::temp_dir().join(format!("stockade-toolbox-{}", std::process::id()));
        std::fs::create_dir_all(&base).unwrap();
        let store = Store::open(&base).unwrap();
        let reference = "stockade/toolbox".parse().unwrap();
        let image = toolbox(&store, &reference).unwrap();
        let again = toolbox(&store, &reference).unwrap();
        assert_eq!(image.layers, again.layers);
        let layer = &image.layers[0];
        for command in ["cat", "chmod", "id", "ls", "sleep", "touch"] {
            let target = std::fs::read_link(layer.join("bin").join(command)).unwrap();
            assert_eq!(target.to_str(), Some("stockade"), "{command}");
        }
        assert!(layer.join("bin/stockade").metadata().unwrap().len() > 0);
        std::fs::remove_dir_all(&base).unwrap();
    }
}
