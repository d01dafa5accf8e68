//! Users and groups of an image: its `USER`, `/etc/passwd` and `/etc/group`.

use crate::world::ImageFacts;

/// A user with its groups.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
}

/// The user part of an image's `USER`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ImageUser {
    Unset,
    Number(i64),
    Name(String),
}

impl ImageUser {
    pub(crate) fn of(user: &str) -> Self {
        let user = user.split(':').next().unwrap_or_default();
        match (user, decimal(user)) {
            ("", _) => Self::Unset,
            (_, Some(number)) => Self::Number(number),
            (name, None) => Self::Name(name.to_owned()),
        }
    }
}

/// The account of a user id. One that the image does not know has group 0 and no others.
pub(super) fn of_number(image: &ImageFacts, uid: u32) -> Account {
    let entry = entries(image.passwd.as_deref()).find(|it| field(it, 2) == Some(uid));
    match entry {
        Some(entry) => {
            let name = entry.split(':').next().unwrap_or_default();
            Account { uid, gid: field(entry, 3).unwrap_or(0), groups: groups_of(image, name) }
        }
        None => Account { uid, gid: 0, groups: Vec::new() },
    }
}

/// The account that an image's `USER` (`name`, `name:group`, numbers for either) stands for.
pub(super) fn of_image(image: &ImageFacts) -> Result<Account, String> {
    let (user, group) = match image.user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (image.user.as_str(), None),
    };
    let mut account = match ImageUser::of(user) {
        ImageUser::Unset => of_number(image, 0),
        ImageUser::Number(number) => of_number(image, in_range(number, user)?),
        ImageUser::Name(name) => of_name(image, &name)?,
    };
    if let Some(group) = group {
        account.gid = group_id(image, group)?;
    }
    Ok(account)
}

fn of_name(image: &ImageFacts, name: &str) -> Result<Account, String> {
    let entry = entries(image.passwd.as_deref())
        .find(|it| it.split(':').next() == Some(name))
        .ok_or_else(|| format!("the image's user `{name}` is not in its /etc/passwd"))?;
    match (field(entry, 2), field(entry, 3)) {
        (Some(uid), Some(gid)) => Ok(Account { uid, gid, groups: groups_of(image, name) }),
        _ => Err(format!("the image's /etc/passwd has no valid ids for user `{name}`")),
    }
}

fn group_id(image: &ImageFacts, group: &str) -> Result<u32, String> {
    if let Some(number) = decimal(group) {
        return in_range(number, group);
    }
    entries(image.group.as_deref())
        .find(|it| it.split(':').next() == Some(group))
        .and_then(|it| field(it, 2))
        .ok_or_else(|| format!("the image's group `{group}` is not in its /etc/group"))
}

fn groups_of(image: &ImageFacts, name: &str) -> Vec<u32> {
    entries(image.group.as_deref())
        .filter(|it| {
            let members = it.split(':').nth(3).unwrap_or_default();
            members.split(',').any(|member| member == name)
        })
        .filter_map(|it| field(it, 2))
        .collect()
}

fn entries(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().lines().filter(|it| !it.starts_with('#'))
}

/// An id in a field of an entry; `None` if it is missing or no id.
fn field(entry: &str, index: usize) -> Option<u32> {
    let number = decimal(entry.split(':').nth(index)?)?;
    in_range(number, "").ok()
}

/// Digits only: no sign, no blank, no other alphabet's digits. A number that does not fit is not a
/// name but a number out of range (CVE-2024-40635).
fn decimal(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(i64::MAX))
}

fn in_range(number: i64, text: &str) -> Result<u32, String> {
    let fits = i32::try_from(number).ok().and_then(|it| u32::try_from(it).ok());
    fits.ok_or_else(|| format!("the image's user `{text}` is outside 0 to 2147483647"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(user: &str) -> ImageFacts {
        ImageFacts {
            user: user.to_owned(),
            passwd: Some(
                "root:x:0:0::/:\n1000:x:0:0::/:\nweb:x:33:34::/:\nbad:x:-1:0::/:\n".into(),
            ),
            group: Some("root:x:0:\nwww:x:44:web,other\nlog:x:45:other,web\n".into()),
            ..ImageFacts::default()
        }
    }

    #[test]
    fn image_users() {
        let account = |uid, gid, groups: &[u32]| Ok(Account { uid, gid, groups: groups.to_vec() });
        let unknown = |what: &str| Err(what.to_owned());
        for (user, expected) in [
            ("web", account(33, 34, &[44, 45])),
            ("web:log", account(33, 45, &[44, 45])),
            ("web:7", account(33, 7, &[44, 45])),
            ("33", account(33, 34, &[44, 45])),
            ("1000", account(1000, 0, &[])),
            ("77:", unknown("the image's group `` is not in its /etc/group")),
            ("nobody", unknown("the image's user `nobody` is not in its /etc/passwd")),
            ("bad", unknown("the image's /etc/passwd has no valid ids for user `bad`")),
            ("4294967296", unknown("the image's user `4294967296` is outside 0 to 2147483647")),
            (
                "99999999999999999999",
                unknown("the image's user `99999999999999999999` is outside 0 to 2147483647"),
            ),
            ("-1", unknown("the image's user `-1` is not in its /etc/passwd")),
            (" 1", unknown("the image's user ` 1` is not in its /etc/passwd")),
        ] {
            assert_eq!(of_image(&image(user)), expected, "{user}");
        }
    }
}
