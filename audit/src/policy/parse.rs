//! Reads a policy file line by line. The file is octets: names are compared as such, and only spaces and tabs part words.

use super::{
    Group, Member, POLICY_BYTES_MAX, POLICY_LINES_MAX, Policy, PolicyError, PolicyLog,
    PolicyWitness, Wrong, shown,
};
use crate::checkpoint::LogKey;
use crate::cosignature::WitnessKey;
use crate::note::NoteError;

/// What was read so far.
#[derive(Default)]
struct Reading<'a> {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// Everything that has a name, and whether it is a member of something.
    names: Vec<(&'a [u8], Member, bool)>,
    /// The quorum line's meaning, once there was one.
    quorum: Option<Option<Member>>,
}

pub(super) fn policy(bytes: &[u8]) -> Result<Policy, PolicyError> {
    let whole = |what| PolicyError { line: None, what };
    if bytes.len() > POLICY_BYTES_MAX {
        return Err(whole(Wrong::TooLarge));
    }
    let Some(lines) = bytes.strip_suffix(b"\n") else {
        // A cut line could name another quorum than the whole one.
        let empty = bytes.is_empty();
        return Err(whole(if empty {
            Wrong::NoQuorum
        } else {
            Wrong::CutShort
        }));
    };
    let mut reading = Reading::default();
    for (number, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        reading.line(line).map_err(|what| PolicyError {
            line: Some(number + 1),
            what,
        })?;
    }
    let quorum = reading.quorum.ok_or_else(|| whole(Wrong::NoQuorum))?;
    Ok(Policy {
        logs: reading.logs,
        witnesses: reading.witnesses,
        groups: reading.groups,
        quorum,
    })
}

impl<'a> Reading<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<(), Wrong> {
        let forbidden = |byte: &&u8| **byte != b'\t' && (**byte < 0x20 || **byte == 0x7f);
        if let Some(byte) = line.iter().find(forbidden) {
            return Err(Wrong::Byte(*byte));
        }
        let words: Vec<&[u8]> = line
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty())
            .collect();
        match words.split_first() {
            None => Ok(()),
            Some((first, _)) if first.starts_with(b"#") => Ok(()),
            Some((&b"log", words)) => self.log(words),
            Some((&b"witness", words)) => self.witness(words),
            Some((&b"group", words)) => self.group(words),
            Some((&b"quorum", words)) => self.quorum(words),
            Some((first, _)) => Err(Wrong::UnknownLine(shown(first))),
        }
    }

    fn log(&mut self, words: &[&'a [u8]]) -> Result<(), Wrong> {
        let (key, url) = match words {
            [key] => (key, None),
            [key, url] => (key, Some(*url)),
            _ => return Err(Wrong::Shape("log VKEY [URL]")),
        };
        room(self.logs.len(), "log")?;
        let key = text_key(key, |text| {
            // From a form it would take space around it, and some spaces are not spaces to a policy.
            if text.trim() == text {
                LogKey::from_vkey(text)
            } else {
                Err(NoteError::BadVkey.into())
            }
        })?;
        let public = key.note_key().public();
        if self
            .logs
            .iter()
            .any(|log| log.key.note_key().public() == public)
        {
            return Err(Wrong::DuplicateKey);
        }
        let url = url.map(text_url).transpose()?;
        self.logs.push(PolicyLog { key, url });
        Ok(())
    }

    fn witness(&mut self, words: &[&'a [u8]]) -> Result<(), Wrong> {
        let (name, key, url) = match words {
            [name, key] => (*name, key, None),
            [name, key, url] => (*name, key, Some(*url)),
            _ => return Err(Wrong::Shape("witness NAME VKEY [URL]")),
        };
        room(self.witnesses.len(), "witness")?;
        let key = text_key(key, WitnessKey::from_vkey)?;
        let known = |witness: &PolicyWitness| witness.key.public() == key.public();
        if self.witnesses.iter().any(known) {
            return Err(Wrong::DuplicateKey);
        }
        let url = url.map(text_url).transpose()?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness {
            name: String::from_utf8_lossy(name).into_owned(),
            key,
            url,
        });
        Ok(())
    }

    fn group(&mut self, words: &[&'a [u8]]) -> Result<(), Wrong> {
        let [name, threshold, names @ ..] = words else {
            return Err(Wrong::Shape("group NAME any|all|K NAME..."));
        };
        if names.is_empty() {
            return Err(Wrong::Shape("group NAME any|all|K NAME..."));
        }
        room(self.groups.len(), "group")?;
        let threshold = threshold_of(threshold, names.len())?;
        let mut members = Vec::with_capacity(names.len());
        for member in names {
            let (_, at, taken) = self.named(member)?;
            if *taken {
                return Err(Wrong::MemberTwice(shown(member)));
            }
            *taken = true;
            members.push(*at);
        }
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group {
            name: String::from_utf8_lossy(name).into_owned(),
            threshold,
            members,
        });
        Ok(())
    }

    fn quorum(&mut self, words: &[&'a [u8]]) -> Result<(), Wrong> {
        let [name] = words else {
            return Err(Wrong::Shape("quorum NAME|none"));
        };
        if self.quorum.is_some() {
            return Err(Wrong::SecondQuorum);
        }
        self.quorum = Some(match *name {
            b"none" => None,
            name => Some(self.named(name)?.1),
        });
        Ok(())
    }

    fn define(&mut self, name: &'a [u8], member: Member) -> Result<(), Wrong> {
        if name == b"none" {
            return Err(Wrong::ReservedName);
        }
        if self.names.iter().any(|(known, ..)| *known == name) {
            return Err(Wrong::NameTaken(shown(name)));
        }
        self.names.push((name, member, false));
        Ok(())
    }

    fn named(&mut self, name: &[u8]) -> Result<&mut (&'a [u8], Member, bool), Wrong> {
        self.names
            .iter_mut()
            .find(|(known, ..)| *known == name)
            .ok_or_else(|| Wrong::UnknownName(shown(name)))
    }
}

fn room(used: usize, kind: &'static str) -> Result<(), Wrong> {
    if used < POLICY_LINES_MAX {
        Ok(())
    } else {
        Err(Wrong::TooMany(kind))
    }
}

fn text_key<T, E: std::fmt::Display>(
    word: &[u8],
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Wrong> {
    let text = std::str::from_utf8(word).map_err(|_| Wrong::Key("the key is not UTF-8".into()))?;
    parse(text).map_err(|error| Wrong::Key(error.to_string()))
}

fn text_url(word: &[u8]) -> Result<String, Wrong> {
    let text = std::str::from_utf8(word).map_err(|_| Wrong::Url)?;
    Ok(text.to_owned())
}

/// `any`, `all`, or a number without sign or leading zero.
fn threshold_of(word: &[u8], members: usize) -> Result<usize, Wrong> {
    let number = match word {
        b"any" => Some(1),
        b"all" => Some(members),
        [b'1'..=b'9', ..] if word.iter().all(u8::is_ascii_digit) => std::str::from_utf8(word)
            .ok()
            .and_then(|digits| digits.parse().ok()),
        _ => None,
    };
    number
        .filter(|number| (1..=members).contains(number))
        .ok_or_else(|| Wrong::Threshold(shown(word), members))
}
