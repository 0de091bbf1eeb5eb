//! Where the arguments stand in a URL: alone in a path segment or a query value, never elsewhere.

use std::collections::BTreeMap;

use reqwest::Url;

use crate::provider::Failure;
use crate::stock::operation::{Argument, ParameterType};

/// Path and query of an operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    path: Vec<Piece>,
    query: Vec<(String, Piece)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Fixed(String),
    Parameter(String),
}

impl Template {
    /// Reads path and query; says in words what is wrong with them.
    pub(super) fn parse(
        path: &str,
        query: &BTreeMap<String, String>,
        parameters: &BTreeMap<String, ParameterType>,
    ) -> Result<Self, String> {
        let rest = path.strip_prefix('/').ok_or("path does not begin with /")?;
        let path = rest
            .split('/')
            .map(|segment| match Piece::parse(segment, parameters)? {
                Piece::Fixed(text) if !is_segment(&text) => Err(format!(
                    "path: '{text}' is neither {{parameter}} nor plain letters, digits and -._"
                )),
                piece => Ok(piece),
            })
            .collect::<Result<_, String>>()?;
        let query = query
            .iter()
            .map(|(key, value)| Ok((key.clone(), Piece::parse(value, parameters)?)))
            .collect::<Result<_, String>>()?;
        Ok(Self { path, query })
    }

    /// Whether a parameter stands in the URL.
    pub(super) fn uses(&self, name: &str) -> bool {
        let is = |piece: &Piece| matches!(piece, Piece::Parameter(parameter) if parameter == name);
        self.path.iter().any(is) || self.query.iter().any(|(_, piece)| is(piece))
    }

    /// The URL at `backend`.
    ///
    /// # Errors
    /// [`Failure::InvalidRequest`] for an argument that would change the path's shape.
    pub(super) fn fill(
        &self,
        backend: &Url,
        arguments: &BTreeMap<&str, Argument>,
    ) -> Result<Url, Failure> {
        let mut url = backend.clone();
        {
            let mut path = url
                .path_segments_mut()
                .map_err(|()| Failure::failed("the backend has no path"))?;
            path.clear();
            for piece in &self.path {
                let text = piece.text(arguments)?;
                // An empty or dotted segment means another path to the backend, encoded or not; a URL
                // drops line ends and tabs without a word, which would ask for something else.
                let dots = text == "." || text == "..";
                let changes = text.is_empty() || dots || text.contains(char::is_control);
                if changes && matches!(piece, Piece::Parameter(_)) {
                    return Err(Failure::InvalidRequest(
                        "an argument that cannot be part of a path".to_owned(),
                    ));
                }
                path.push(&text);
            }
        }
        if !self.query.is_empty() {
            let mut query = url.query_pairs_mut();
            for (key, piece) in &self.query {
                query.append_pair(key, &piece.text(arguments)?);
            }
        }
        Ok(url)
    }
}

impl Piece {
    fn parse(text: &str, parameters: &BTreeMap<String, ParameterType>) -> Result<Self, String> {
        let inside = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match inside {
            Some(name) if parameters.contains_key(name) => Ok(Self::Parameter(name.to_owned())),
            Some(name) => Err(format!("{{{name}}} is not among the parameters")),
            None if text.contains(['{', '}']) => Err(format!("'{text}': a parameter stands alone")),
            None => Ok(Self::Fixed(text.to_owned())),
        }
    }

    fn text(&self, arguments: &BTreeMap<&str, Argument>) -> Result<String, Failure> {
        match self {
            Self::Fixed(text) => Ok(text.clone()),
            Self::Parameter(name) => arguments
                .get(name.as_str())
                .map(Argument::to_text)
                .ok_or_else(|| Failure::InvalidRequest(format!("parameter '{name}' is missing"))),
        }
    }
}

fn is_segment(text: &str) -> bool {
    let plain = text
        .bytes()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'));
    plain && !text.is_empty() && text != "." && text != ".."
}
