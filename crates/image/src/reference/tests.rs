use super::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn references_get_one_canonical_and_one_familiar_form() {
    let a128 = "a".repeat(128);
    let a255 = "a".repeat(255);
    let rows: &[(&str, &str, &str)] = &[
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("docker.io/library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("stockade/toolbox", "docker.io/stockade/toolbox:latest", "stockade/toolbox:latest"),
        ("a/b/c:T_1.x-y", "docker.io/a/b/c:T_1.x-y", "a/b/c:T_1.x-y"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost", "docker.io/library/localhost:latest", "localhost:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
        ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("[2001:db8::1]/app:t", "[2001:db8::1]/app:t", "[2001:db8::1]/app:t"),
        ("quay.io/app", "quay.io/app:latest", "quay.io/app:latest"),
        ("quay.io", "docker.io/library/quay.io:latest", "quay.io:latest"),
        ("HOST/app", "HOST/app:latest", "HOST/app:latest"),
        ("xn--n3h.com/app", "xn--n3h.com/app:latest", "xn--n3h.com/app:latest"),
        ("a-b.c/app", "a-b.c/app:latest", "a-b.c/app:latest"),
        (
            "docker.io/localhost/app",
            "docker.io/localhost/app:latest",
            "docker.io/localhost/app:latest",
        ),
        ("docker.io/a.b/app", "docker.io/a.b/app:latest", "docker.io/a.b/app:latest"),
        (
            "a_b/c__d/e--f/g---h/i.j",
            "docker.io/a_b/c__d/e--f/g---h/i.j:latest",
            "a_b/c__d/e--f/g---h/i.j:latest",
        ),
        ("0/1", "docker.io/0/1:latest", "0/1:latest"),
        (&format!("app@{D}"), &format!("docker.io/library/app@{D}"), &format!("app@{D}")),
        (&format!("app:1@{D}"), &format!("docker.io/library/app:1@{D}"), &format!("app:1@{D}")),
        (&format!("q.io/a:1@{D}"), &format!("q.io/a:1@{D}"), &format!("q.io/a:1@{D}")),
        (&format!("a:{a128}"), &format!("docker.io/library/a:{a128}"), &format!("a:{a128}")),
        (&format!("q.io/{a255}:t"), &format!("q.io/{a255}:t"), &format!("q.io/{a255}:t")),
        (
            &D[7..70],
            &format!("docker.io/library/{}:latest", &D[7..70]),
            &format!("{}:latest", &D[7..70]),
        ),
        (
            &format!("{}:t", &D[7..]),
            &format!("docker.io/library/{}:t", &D[7..]),
            &format!("{}:t", &D[7..]),
        ),
    ];
    for (text, canonical, familiar) in rows {
        let reference: Reference = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(&reference.to_string(), canonical, "{text}");
        assert_eq!(&reference.familiar(), familiar, "{text}");
        for again in [canonical, familiar] {
            assert_eq!(again.parse().as_ref(), Ok(&reference), "{text}: {again} is the same image");
        }
    }
}

#[test]
fn what_the_grammar_does_not_know_is_refused() {
    let short = &D[..40];
    let rows: &[&str] = &[
        "",
        " ",
        " busybox",
        "busybox ",
        "busybox\n",
        "busybox:latest\n",
        "busybox\0",
        "Busybox",
        "library/BusyBox",
        "busyBox:latest",
        ":latest",
        "busybox:",
        "busybox::latest",
        "busybox:la:test",
        "busybox:.x",
        "busybox:-x",
        "busybox:a b",
        "busybox:a/b",
        "busybox:ä",
        "büsybox",
        "ｂusybox",
        "busy\u{200b}box",
        "@",
        "busybox@",
        "busybox@latest",
        "busybox@sha256:",
        &format!("busybox@{short}"),
        &format!("busybox@{}", D.to_uppercase()),
        &format!("busybox@{D}0"),
        &format!("busybox@{D}@{D}"),
        &format!("busybox@{D}:latest"),
        &format!("busybox@sha512:{0}{0}", &D[7..]),
        &format!("busybox@md5:{}", &D[7..39]),
        &format!("@{D}"),
        D,
        &D[7..],
        "/busybox",
        "busybox/",
        "a//b",
        "https://quay.io/app",
        "quay.io/",
        ".quay.io/app",
        "quay..io/app",
        "quay.io./app",
        "-quay.io/app",
        "quay-.io/app",
        "qu_ay.io/app",
        "quay.io:/app",
        "quay.io:x/app",
        "quay.io:+80/app",
        "quay.io:65536/app",
        "quay.io:80:80/app",
        "[::1/app",
        "[::1]x/app",
        "[::1]:/app",
        "[]/app",
        "[fe80::1%eth0]/app",
        "user@quay.io/app",
        "a..b",
        "a...b",
        "a._b",
        "a___b",
        "a-_b",
        ".a",
        "a.",
        "_a",
        "a_",
        "-a",
        "a-",
        "../a",
        "a/../b",
        "a/./b",
        "a/b?x",
        "a%2fb",
        &format!("q.io/{}:t", "a".repeat(256)),
        &format!("a:{}", "a".repeat(129)),
    ];
    for text in rows {
        let parsed = text.parse::<Reference>();
        assert!(parsed.is_err(), "{text:?} was read as {parsed:?}");
    }
}

#[test]
fn an_error_shows_no_raw_control_characters() {
    let error = "a\u{1b}[2Jb".parse::<Reference>().unwrap_err().to_string();
    assert!(!error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn the_parts_are_what_was_written() {
    let reference: Reference = format!("[::1]:5000/a/b:c@{D}").parse().unwrap();
    assert_eq!(reference.registry(), "[::1]:5000");
    assert_eq!(reference.repository(), "a/b");
    assert_eq!(reference.tag(), Some("c"));
    assert_eq!(reference.digest().map(|it| it.to_string()).as_deref(), Some(D));
}
