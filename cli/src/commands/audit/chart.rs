//! Charts of block characters: a bar beside a row, a day's hours as a line of blocks.
//!
//! Block characters have no reading direction, so in Arabic text a chart is isolated by whoever prints it.

/// Eighths of a cell, from the left.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// Eighths of a cell, from the bottom.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar for `value` where `max` fills `width` cells. What is not nothing is never invisible.
pub(super) fn bar(value: u64, max: u64, width: u32) -> String {
    if value == 0 || max == 0 {
        return String::new();
    }
    let eighths = scaled(value.min(max), max, u64::from(width) * 8).max(1);
    let mut bar = String::new();
    for _ in 0..eighths / 8 {
        bar.push('█');
    }
    // Below 8.
    if let Some(rest) = (eighths % 8).checked_sub(1) {
        bar.extend(EIGHTHS.get(rest as usize));
    }
    bar
}

/// One block for each value, as high as it is among `max`; a dot where there is nothing.
pub(super) fn blocks(values: &[u64], max: u64) -> String {
    let block = |value: &u64| match *value {
        0 => '·',
        value => {
            let height = scaled(value.min(max), max.max(1), 8).max(1);
            HEIGHTS.get(height as usize - 1).copied().unwrap_or('█')
        }
    };
    values.iter().map(block).collect()
}

/// `value` of `max` as a whole number of `steps`, rounded.
fn scaled(value: u64, max: u64, steps: u64) -> u64 {
    let (value, max, steps) = (u128::from(value), u128::from(max), u128::from(steps));
    // At most `steps`.
    ((value * steps * 2 + max) / (max * 2)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_by_eighths_and_end_at_their_width() {
        let bars = [0, 1, 50, 100, 200].map(|value| bar(value, 100, 4));
        assert_eq!(bars, ["", "▏", "██", "████", "████"]);
        assert_eq!(bar(7, 16, 2), "▉");
        assert_eq!(bar(1, u64::MAX, 4), "▏");
        assert_eq!(bar(u64::MAX, u64::MAX, 1), "█");
        assert_eq!(bar(3, 0, 4), "");
    }

    #[test]
    fn blocks_show_what_is_little_and_what_is_not() {
        assert_eq!(blocks(&[0, 1, 4, 8, 9], 8), "·▁▄██");
        assert_eq!(blocks(&[0, 0], 0), "··");
        assert_eq!(blocks(&[1, u64::MAX], u64::MAX), "▁█");
    }
}
