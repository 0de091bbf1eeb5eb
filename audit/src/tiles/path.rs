//! Names of tiles and bundles: `tile/<level>/<index>[.p/<width>]`, `tile/entries/<index>[.p/<width>]`.

use super::bundle::BUNDLE_ENTRY_BYTES_MAX;

/// Hashes of a full tile, entries of a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// log2 of [`TILE_WIDTH`].
pub(crate) const TILE_HEIGHT: u32 = 8;
/// Levels of tiles that a tree of fewer than 2^64 leaves can have.
pub(crate) const TILE_LEVELS: u8 = 8;

/// One tile or bundle, by place and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    /// `None` for an entry bundle.
    level: Option<u8>,
    index: u64,
    /// 1 to 256; 256 is full.
    width: u16,
}

impl TilePath {
    /// The full hash tile number `index` at `level` (0 to 7).
    pub fn hashes(level: u8, index: u64) -> Self {
        Self {
            level: Some(level),
            index,
            width: TILE_WIDTH,
        }
    }

    /// The full entry bundle number `index`.
    pub fn entries(index: u64) -> Self {
        Self {
            level: None,
            index,
            width: TILE_WIDTH,
        }
    }

    /// This tile as it stands in the tree of `size` leaves; `None` when that tree does not reach it.
    pub fn at_size(self, size: u64) -> Option<Self> {
        let hashes = hashes_at(self.level.unwrap_or(0), size);
        let first = self.index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = hashes.saturating_sub(first).min(u64::from(TILE_WIDTH));
        // At most 256, so it fits.
        (width > 0).then_some(Self {
            width: width as u16,
            ..self
        })
    }

    /// This tile with `width` (1 to 256) hashes or entries; `None` for another width.
    pub fn with_width(self, width: u16) -> Option<Self> {
        (1..=TILE_WIDTH)
            .contains(&width)
            .then_some(Self { width, ..self })
    }

    /// This tile, as wide as `other`.
    pub(super) fn with_width_of(self, other: Self) -> Self {
        Self {
            width: other.width,
            ..self
        }
    }

    /// The same tile, full.
    pub fn full(self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..self
        }
    }

    /// Whether it is as wide as tiles get.
    pub fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Level of a hash tile; `None` for an entry bundle.
    pub fn level(self) -> Option<u8> {
        self.level
    }

    /// Number of the tile in its level.
    pub fn index(self) -> u64 {
        self.index
    }

    /// Hashes or entries in it.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Path inside the log directory, with `/` between its parts.
    pub fn to_path(self) -> String {
        let stem = self.stem();
        if self.is_full() {
            stem
        } else {
            format!("{stem}.p/{}", self.width)
        }
    }

    /// Path of the directory that holds this tile's partial forms.
    pub fn partials_dir(self) -> String {
        format!("{}.p", self.stem())
    }

    /// Reads a path in its one form; `None` for anything else.
    pub fn from_path(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (level, rest) = rest.split_once('/')?;
        let level = if level == "entries" {
            None
        } else {
            Some(level.parse().ok()?)
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok()?),
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for group in number.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            if digits.len() != 3 {
                return None;
            }
            index = index
                .checked_mul(1_000)?
                .checked_add(digits.parse().ok()?)?;
        }
        let tile = Self {
            level,
            index,
            width,
        };
        // One form: signs, leading zeros, `.p/256` and misplaced `x` all write back differently.
        let in_range =
            level.is_none_or(|level| level < TILE_LEVELS) && (1..=TILE_WIDTH).contains(&width);
        (in_range && tile.to_path() == path).then_some(tile)
    }

    /// Bytes that the file can have at most.
    pub(crate) fn bytes_max(self) -> u64 {
        let each = if self.level.is_some() {
            32
        } else {
            2 + BUNDLE_ENTRY_BYTES_MAX as u64
        };
        u64::from(self.width) * each
    }

    fn stem(self) -> String {
        let level = self
            .level
            .map_or_else(|| "entries".to_owned(), |level| level.to_string());
        let mut groups = vec![format!("{:03}", self.index % 1_000)];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1_000));
            rest /= 1_000;
        }
        groups.reverse();
        format!("tile/{level}/{}", groups.join("/"))
    }
}

/// Hashes that level `level` of the tiles holds for the tree of `size` leaves.
pub(crate) fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * TILE_HEIGHT)
        .unwrap_or(0)
}
