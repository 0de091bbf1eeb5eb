//! Plans and outcomes as people and machines read them.

use proto::act::TwoOperators;
use serde_json::{Value, json};

use super::apply::{Done, Outcome};
use super::difference::{Action, Difference, Plan, Said, Way, What, Whom};
use crate::output::Output;

/// A plan for machines.
pub fn plan_json(plan: &Plan, policy: &TwoOperators) -> Value {
    json!({
        "differs": !plan.differences.is_empty(),
        "differences": plan.differences.iter().map(|one| difference_json(one, policy)).collect::<Vec<_>>(),
        "not_described": plan.not_described.iter().map(|(what, which)| json!({
            "what": what.name(),
            "which": which,
        })).collect::<Vec<_>>(),
    })
}

fn difference_json(one: &Difference, policy: &TwoOperators) -> Value {
    let text = |said: &Said| (!said[0].is_empty()).then(|| said[0].clone());
    let mut value = json!({
        "action": one.action.name(),
        "what": one.what.name(),
        "which": one.which,
        "from": text(&one.from),
        "to": text(&one.to),
        "who": who_word(&one.way),
    });
    match &one.way {
        Way::Seal(deed) => value["needs_two"] = policy.covers(deed.name()).into(),
        Way::Waits { act, by } => {
            value["act"] = act.to_string().into();
            value["by"] = by.to_string().into();
            value["command"] = approve(&act.short()).into();
        }
        Way::Later(why) | Way::Stuck(why) => value["why"] = why[0].clone().into(),
        Way::Request { of, command } => {
            value["of"] = name_of(of).into();
            value["command"] = command.clone().into();
        }
    }
    value
}

/// A stable word for who does away with a difference.
fn who_word(way: &Way) -> &'static str {
    match way {
        Way::Seal(_) => "operator",
        Way::Waits { .. } => "second_person",
        Way::Later(_) => "operator_later",
        Way::Stuck(_) => "nobody",
        Way::Request { of, .. } => match of {
            Whom::Operator => "operator_by_hand",
            Whom::Agency(_) => "agency",
            Whom::Person(_) => "person",
        },
    }
}

fn name_of(whom: &Whom) -> Option<String> {
    match whom {
        Whom::Operator => None,
        Whom::Agency(agency) => Some(agency.clone()),
        Whom::Person(name) => Some(name.to_string()),
    }
}

fn approve(act: &str) -> String {
    format!("mohawel approval approve {act}")
}

/// A plan for people.
pub fn plan(plan: &Plan, policy: &TwoOperators, output: Output) {
    if plan.differences.is_empty() {
        output.line(output.say(
            "Nothing differs: the registry is as described.",
            "لا فرق: السجل كما هو موصوف.",
        ));
    } else {
        differences(&plan.differences, policy, output);
    }
    if !plan.not_described.is_empty() {
        output.line(output.say(
            "In the registry and not described; left as it is:",
            "في السجل وغير موصوف؛ يبقى كما هو:",
        ));
        for (what, which) in &plan.not_described {
            output.line(format!("  {} {which}", what.say(output)));
        }
    }
}

fn differences(all: &[Difference], policy: &TwoOperators, output: Output) {
    output.table(
        [
            output.say("action", "الإجراء"),
            output.say("what", "النوع"),
            output.say("which", "أيها"),
            output.say("from → to", "من ← إلى"),
            output.say("who can do it", "من يستطيعه"),
        ],
        all.iter().map(|one| {
            [
                one.action.say(output).to_owned(),
                one.what.say(output).to_owned(),
                one.which.clone(),
                change(one, output),
                who(&one.way, policy, output),
            ]
        }),
    );
    let commands: Vec<_> = all
        .iter()
        .filter_map(|one| match &one.way {
            Way::Request { command, .. } => Some((one, command.clone())),
            Way::Waits { act, .. } => Some((one, approve(&act.short()))),
            _ => None,
        })
        .collect();
    if commands.is_empty() {
        return;
    }
    output.line(output.say("Waiting for others, who run:", "في انتظار آخرين يشغّلون:"));
    for (one, command) in commands {
        let who = who(&one.way, policy, output);
        output.line(format!(
            "  {who}: {command}  ({} {})",
            one.what.say(output),
            one.which
        ));
    }
}

fn change(one: &Difference, output: Output) -> String {
    let from = output.say(&one.from[0], &one.from[1]);
    let to = output.say(&one.to[0], &one.to[1]);
    let arrow = output.say("→", "←");
    match (from.is_empty(), to.is_empty()) {
        (true, _) => to.to_owned(),
        (false, true) => from.to_owned(),
        (false, false) => format!("{from} {arrow} {to}"),
    }
}

fn who(way: &Way, policy: &TwoOperators, output: Output) -> String {
    match way {
        Way::Seal(deed) if policy.covers(deed.name()) => output
            .say("operator, then a second person", "مشغّل ثم شخص ثانٍ")
            .to_owned(),
        Way::Seal(_) => output.say("operator", "مشغّل").to_owned(),
        Way::Waits { by, .. } => {
            format!("{} {by}", output.say("second person, not", "شخص ثانٍ غير"))
        }
        Way::Later(why) => format!(
            "{} {}",
            output.say("operator,", "مشغّل،"),
            output.say(&why[0], &why[1])
        ),
        Way::Stuck(why) => output.say(&why[0], &why[1]).to_owned(),
        Way::Request { of, .. } => match of {
            Whom::Operator => output.say("operator, by hand", "مشغّل يدويًا").to_owned(),
            Whom::Agency(agency) => format!("{} {agency}", output.say("agency", "الجهة")),
            Whom::Person(name) => format!("{} {name}", output.say("person", "الشخص")),
        },
    }
}

/// What `apply` did, for machines.
pub fn outcome_json(outcome: &Outcome, left: &Plan, policy: &TwoOperators) -> Value {
    let of = |wanted: &dyn Fn(&Way) -> bool| -> Vec<Value> {
        left.differences
            .iter()
            .filter(|one| wanted(&one.way))
            .map(|one| difference_json(one, policy))
            .collect()
    };
    json!({
        "planned": outcome.planned,
        "done": outcome.done.iter().map(done_json).collect::<Vec<_>>(),
        "complete": outcome.failure.is_none(),
        "failure": outcome.failure.as_ref().map(|failure| failure.what[0].clone()),
        "waiting": of(&|way| matches!(way, Way::Waits { .. })),
        "requests": of(&|way| matches!(way, Way::Request { .. })),
        "left": of(&|way| matches!(way, Way::Seal(_) | Way::Later(_) | Way::Stuck(_))),
        "not_described": plan_json(left, policy)["not_described"],
    })
}

fn done_json(done: &Done) -> Value {
    json!({
        "action": done.difference.action.name(),
        "what": done.difference.what.name(),
        "which": done.difference.which,
        "operator": done.by.to_string(),
        "act": done.act.to_string(),
        "index": done.index,
        "waits_for_second_seal": done.waits,
        "invitation": done.invitation.as_ref().map(|path| path.display().to_string()),
    })
}

/// What `apply` did, for people.
pub fn outcome(outcome: &Outcome, left: &Plan, policy: &TwoOperators, output: Output) {
    if !outcome.done.is_empty() {
        done(outcome, output);
    }
    if outcome.failure.is_some() {
        output.line(format!(
            "{} {} / {}",
            output.say("It stopped half way, done:", "توقف في منتصف الطريق، نُفّذ:"),
            outcome.done.len(),
            outcome.planned
        ));
    }
    let files = outcome
        .done
        .iter()
        .filter_map(|one| one.invitation.as_ref());
    for file in files {
        output.line(format!(
            "{} {}",
            output.say(
                "Hand this invitation over in person:",
                "سلّم هذه الدعوة باليد:"
            ),
            file.display()
        ));
    }
    plan(left, policy, output);
}

fn done(outcome: &Outcome, output: Output) {
    output.table(
        [
            output.say("entry", "القيد"),
            output.say("by", "من"),
            output.say("action", "الإجراء"),
            output.say("what", "النوع"),
            output.say("which", "أيها"),
            output.say("state", "الحالة"),
        ],
        outcome.done.iter().map(|one| {
            let state = if one.waits {
                output.say("waits for a second seal", "ينتظر ختمًا ثانيًا")
            } else {
                output.say("counts", "سارٍ")
            };
            [
                one.index.to_string(),
                one.by.to_string(),
                one.difference.action.say(output).to_owned(),
                one.difference.what.say(output).to_owned(),
                one.difference.which.clone(),
                state.to_owned(),
            ]
        }),
    );
}

impl Action {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::End => "end",
        }
    }

    fn say(self, output: Output) -> &'static str {
        let arabic = match self {
            Self::Create => "إنشاء",
            Self::Change => "تغيير",
            Self::End => "إنهاء",
        };
        pick(output, self.name(), arabic)
    }
}

impl What {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Purpose => "purpose",
            Self::Role => "role",
            Self::Policy => "policy",
            Self::Agency => "agency",
            Self::AgencyName => "agency_name",
            Self::Suspension => "suspension",
            Self::Quota => "quota",
            Self::System => "system",
            Self::Adapter => "adapter",
            Self::Service => "service",
            Self::Agreement => "agreement",
        }
    }

    fn say(self, output: Output) -> &'static str {
        let (english, arabic) = match self {
            Self::Purpose => ("purpose", "غرض"),
            Self::Role => ("role", "دور"),
            Self::Policy => ("policy", "سياسة"),
            Self::Agency => ("agency", "جهة"),
            Self::AgencyName => ("agency's name", "اسم جهة"),
            Self::Suspension => ("suspension", "إيقاف"),
            Self::Quota => ("daily quota", "حصة يومية"),
            Self::System => ("system", "نظام"),
            Self::Adapter => ("adapter", "محوّل طرفي"),
            Self::Service => ("service", "خدمة"),
            Self::Agreement => ("agreement", "اتفاقية"),
        };
        pick(output, english, arabic)
    }
}

fn pick(output: Output, english: &'static str, arabic: &'static str) -> &'static str {
    match output.language {
        proto::refusal::Language::English => english,
        proto::refusal::Language::Arabic => arabic,
    }
}
