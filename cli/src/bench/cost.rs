//! What a run costs: CPU and memory of processes, the price of a synced append, and what else the machine does.
//!
//! Everything is read from `/proc`, so the figures are the kernel's and not the processes' own.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use rustix::param::clock_ticks_per_second;
use serde::Serialize;

/// Bytes of one synced append.
const APPEND_BYTES: usize = 512;
/// Synced appends in one look.
const APPENDS: usize = 1_001;
/// A process that takes less than this in [`QUIET_LOOK`] has finished what it put off.
const QUIET_US: u64 = 10_000;
/// How long a process is looked at.
const QUIET_LOOK: Duration = Duration::from_millis(500);
/// How long a process may take to become quiet.
const QUIET_LIMIT: Duration = Duration::from_secs(30);

/// CPU time and memory at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time since the process began, microseconds.
    pub cpu_us: u64,
    /// Resident memory, KiB.
    pub rss_kib: u64,
}

/// What process `id` has used; with the processes that it started itself when `family` is set.
///
/// # Errors
/// What `/proc` does not say.
pub fn usage(id: u32, family: bool) -> anyhow::Result<Usage> {
    let mut sum = one(id).with_context(|| format!("process {id}"))?;
    if family {
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(other) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // Strangers come and go while this walks.
            if parent(other) == Some(id)
                && let Ok(child) = one(other)
            {
                sum.cpu_us += child.cpu_us;
                sum.rss_kib += child.rss_kib;
            }
        }
    }
    Ok(sum)
}

fn one(id: u32) -> anyhow::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let ticks = ticks_of(&stat).ok_or_else(|| anyhow!("/proc/{id}/stat is not what it was"))?;
    Ok(Usage {
        cpu_us: micros(ticks),
        rss_kib: kib_of(&status, "VmRSS:").unwrap_or(0),
    })
}

/// The most memory that process `id` ever had at once, KiB.
///
/// # Errors
/// What `/proc` does not say.
pub fn peak_kib(id: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    kib_of(&status, "VmHWM:").ok_or_else(|| anyhow!("/proc/{id}/status is not what it was"))
}

fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    fields(&stat)?.nth(1)?.parse().ok()
}

/// What follows the command's name, which may hold spaces and brackets itself.
fn fields(stat: &str) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

/// utime and stime, fields 14 and 15 of proc(5); [`fields`] begins with the third.
fn ticks_of(stat: &str) -> Option<u64> {
    let mut fields = fields(stat)?.skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn kib_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn micros(ticks: u64) -> u64 {
    ticks * 1_000_000 / clock_ticks_per_second().max(1)
}

/// CPU time of the whole machine, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Spent by its processes and its kernel.
    pub busy_us: u64,
    /// Wanted, and given to other machines by the host.
    pub stolen_us: u64,
}

impl Machine {
    /// What came after `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            busy_us: self.busy_us.saturating_sub(before.busy_us),
            stolen_us: self.stolen_us.saturating_sub(before.stolen_us),
        }
    }
}

/// What the whole machine has used since it started.
///
/// # Errors
/// What `/proc` does not say.
pub fn machine_used() -> anyhow::Result<Machine> {
    let stat = fs::read_to_string("/proc/stat")?;
    machine_of(&stat).ok_or_else(|| anyhow!("/proc/stat is not what it was"))
}

/// The first line of proc_stat(5). Idle and iowait (4 and 5) are not busy; the guests' are in user time already.
fn machine_of(stat: &str) -> Option<Machine> {
    let ticks = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_ascii_whitespace()
        .take(8);
    let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _, _, irq, softirq, stolen] = ticks[..] else {
        return None;
    };
    Some(Machine {
        busy_us: micros(user + nice + system + irq + softirq),
        stolen_us: micros(stolen),
    })
}

/// The load average of the last minute.
///
/// # Errors
/// What `/proc` does not say.
pub fn load_average() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split_ascii_whitespace().next().unwrap_or_default();
    Ok(first.parse()?)
}

/// The machine in a line: processors, their model, memory, kernel.
#[must_use]
pub fn machine() -> String {
    let field = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or("")
            .trim_start_matches([' ', '\t', ':']);
        value.trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_kib: u64 = field("/proc/meminfo", "MemTotal:")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = field("/proc/cpuinfo", "model name");
    format!(
        "{cores} cores, {model}, {} GiB, Linux {}",
        memory_kib >> 20,
        kernel.trim()
    )
}

/// What one append of 512 bytes with fdatasync takes, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SyncedAppend {
    /// Half of them.
    pub p50_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
}

/// Appends and syncs in `dir`, one after the other, and removes what it wrote.
///
/// # Errors
/// The file system's.
pub fn synced_append(dir: &Path) -> anyhow::Result<SyncedAppend> {
    let path = dir.join("appended");
    let mut file = fs::File::create(&path)?;
    let mut taken_us = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let began = Instant::now();
        file.write_all(&[0x5a; APPEND_BYTES])?;
        file.sync_data()?;
        taken_us.push(began.elapsed().as_micros());
    }
    drop(file);
    fs::remove_file(&path)?;
    taken_us.sort_unstable();
    let at = |percent: usize| u64::try_from(taken_us[APPENDS * percent / 100]);
    Ok(SyncedAppend {
        p50_us: at(50)?,
        p99_us: at(99)?,
    })
}

/// Whether `dir` is kept in memory only, where a sync costs nothing and proves nothing.
///
/// # Errors
/// What `/proc` does not say.
pub fn is_memory_only(dir: &Path) -> anyhow::Result<bool> {
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    let kind = u64::try_from(rustix::fs::statfs(dir)?.f_type)?;
    Ok(matches!(kind, TMPFS | RAMFS))
}

/// Waits until the processes have finished what they put off, so that it falls into nobody else's window.
/// Gives the CPU time that each took for it.
///
/// # Errors
/// What `/proc` does not say.
pub async fn until_quiet(ids: &[(u32, bool)]) -> anyhow::Result<Vec<u64>> {
    let now = || {
        ids.iter()
            .map(|(id, family)| Ok(usage(*id, *family)?.cpu_us))
            .collect::<anyhow::Result<Vec<_>>>()
    };
    let began = Instant::now();
    let first = now()?;
    let mut before = first.clone();
    loop {
        tokio::time::sleep(QUIET_LOOK).await;
        let after = now()?;
        let busy = before
            .iter()
            .zip(&after)
            .any(|(before, after)| after - before > QUIET_US);
        if !busy || began.elapsed() > QUIET_LIMIT {
            return Ok(first
                .iter()
                .zip(&after)
                .map(|(first, after)| after - first)
                .collect());
        }
        before = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_moves_no_field() {
        let stat = "7 (a b) c) S 42 7 7 0 -1 4194560 1 2 3 4 1500 250 8 9 20 0 4 0 100 1 2";
        assert_eq!(ticks_of(stat), Some(1_750));
        assert_eq!(fields(stat).unwrap().nth(1), Some("42"));
        assert_eq!(ticks_of("7 (cut) S 1"), None);
    }

    #[test]
    fn idle_waiting_and_guests_are_not_busy_and_stolen_time_is_told_apart() {
        let stat = "cpu  10 1 20 1000 500 3 4 5 6 7\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let machine = machine_of(stat).unwrap();
        assert_eq!(machine.busy_us, micros(10 + 1 + 20 + 3 + 4));
        assert_eq!(machine.stolen_us, micros(5));
        assert_eq!(machine_of("cpu  1 2"), None);
    }

    #[test]
    fn this_process_is_seen_working() {
        let id = std::process::id();
        let before = usage(id, false).unwrap();
        let began = Instant::now();
        let mut sum = 0_u64;
        while began.elapsed() < Duration::from_millis(200) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let after = usage(id, false).unwrap();
        assert!(after.cpu_us > before.cpu_us);
        assert!(after.rss_kib > 0);
        assert!(machine_used().unwrap().busy_us > 0);
    }

    #[test]
    fn an_append_takes_time_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let append = synced_append(dir.path()).unwrap();
        assert!(append.p50_us <= append.p99_us);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
