//! The story: what is asked, what is answered, what is refused. Every line of it is an exchange.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::agencies::agency;
use super::people::{Application, ApplicationStatus, HouseholdId, Plan, Programme};
use super::process::mohawel;
use super::tamper;
use super::tell::Teller;
use crate::failure::{Exit, Failure};
use crate::output::isolated;
use proto::refusal::Language;

/// How a line of the story ended, as its own log must say, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// What happened, in the story's language.
    pub title: String,
    /// Where its log holds it.
    pub place: Place,
    /// The code of its last entry: `answered`, or a refusal code.
    pub code: String,
}

/// Where the log holds a line of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Under this exchange id.
    Exchange(String),
    /// At this index: what was refused unread has no id that could be believed.
    Index(u64),
}

/// Tells the whole story and gives its lines.
pub(super) struct Story<'a> {
    /// Who tells.
    pub teller: Teller,
    /// Folder of the agencies' homes.
    pub homes: &'a Path,
    /// The application that the ministry looks into.
    pub case: &'a Application,
}

/// One question of the story.
struct Question<'a> {
    title: [&'a str; 2],
    who: &'a str,
    whom: &'a str,
    service: &'a str,
    operation: &'a str,
    purpose: &'a str,
    fields: &'a str,
    parameters: Value,
}

impl Story<'_> {
    /// Tells it, line by line. An ending that the story does not expect is a failure.
    pub(super) async fn tell(&self) -> Result<Vec<Line>, Failure> {
        let mut lines = Vec::new();
        self.teller
            .part(2, ["Before Takaful is paid", "قبل صرف تكافل"]);
        self.application();
        lines.push(self.household().await?);
        lines.extend(self.means().await?);
        self.teller
            .part(3, ["What is not agreed is refused", "ما لم يُتفق عليه يُرفض"]);
        lines.push(self.ungranted_field().await?);
        lines.push(self.no_agreement().await?);
        lines.push(self.changed_on_the_way().await?);
        self.teller
            .part(4, ["One window in Giza", "شباك واحد في الجيزة"]);
        lines.push(self.window().await?);
        lines.push(self.echo().await?);
        Ok(lines)
    }

    /// One more question of the ministry, after the story.
    pub(super) async fn last(&self) -> Result<Line, Failure> {
        self.household().await
    }

    fn application(&self) {
        let case = self.case;
        let (id, children) = (case.applicant_id, case.declared_children);
        self.teller.line([
            &format!("{} applied for Takaful on {} and declares {children} children. National ID {id} (synthetic).", case.applicant_name_ar, case.applied_on),
            &format!("{} تقدّمت بطلب تكافل في {} وتقرّ بأن لديها {children} من الأبناء. الرقم القومي {} (مصطنع).", case.applicant_name_ar, case.applied_on, isolated(id.to_string())),
        ]);
    }

    fn person(&self) -> Value {
        json!({ "national_id": self.case.applicant_id.to_string() })
    }

    async fn household(&self) -> Result<Line, Failure> {
        let question = Question {
            title: [
                "Social Solidarity asks the Civil Registry about the household",
                "التضامن الاجتماعي تسأل السجل المدني عن الأسرة",
            ],
            who: "moss",
            whom: "civil",
            service: "persons.v1",
            operation: "household",
            purpose: "takaful-eligibility",
            fields: "governorate_ar,household_id,living_members,minors",
            parameters: self.person(),
        };
        let (line, row) = self.answered(&question).await?;
        let minors = row["minors"].as_u64().unwrap_or(0);
        let declared = u64::from(self.case.declared_children);
        self.teller.good([
            &format!(
                "household {}: {} living members, {minors} children under 18",
                text(&row["household_id"]),
                row["living_members"]
            ),
            &format!(
                "الأسرة {}: أفرادها الأحياء {}، والأبناء دون الثامنة عشرة {minors}",
                isolated(text(&row["household_id"])),
                row["living_members"]
            ),
        ]);
        if minors == declared {
            self.teller
                .line(["The declaration is confirmed.", "الإقرار صحيح."]);
        } else {
            self.teller.line([
                &format!("Declared {declared}, registered {minors}: the amount is corrected before anything is paid."),
                &format!("الإقرار {declared} والمسجَّل {minors}: يُصحَّح المبلغ قبل أن يُصرف شيء."),
            ]);
        }
        Ok(line)
    }

    async fn means(&self) -> Result<[Line; 2], Failure> {
        let insurance = Question {
            title: [
                "… asks Social Insurance about wage and pension",
                "… وتسأل التأمين الاجتماعي عن الأجر والمعاش",
            ],
            who: "moss",
            whom: "nosi",
            service: "insured.v1",
            operation: "lookup",
            purpose: "takaful-eligibility",
            fields: "insured,monthly_pension_egp,monthly_wage_egp,sector",
            parameters: self.person(),
        };
        let (insured, row) = self.answered(&insurance).await?;
        self.teller.good([
            &format!(
                "insured: {}, wage: {}, pension: {}",
                text(&row["insured"]),
                text(&row["monthly_wage_egp"]),
                text(&row["monthly_pension_egp"])
            ),
            &format!(
                "مؤمَّن عليها: {}، الأجر: {}، المعاش: {}",
                text(&row["insured"]),
                text(&row["monthly_wage_egp"]),
                text(&row["monthly_pension_egp"])
            ),
        ]);
        let traffic = Question {
            title: [
                "… asks Traffic about vehicles",
                "… وتسأل المرور عن المركبات",
            ],
            who: "moss",
            whom: "traffic",
            service: "vehicles.v1",
            operation: "owned",
            purpose: "takaful-eligibility",
            fields: "kind,model_year",
            parameters: self.person(),
        };
        let (vehicles, row) = self.answered(&traffic).await?;
        let kind = text(&row["kind"]);
        self.teller.good([
            &format!("vehicles: {}", if kind.is_empty() { "none" } else { &kind }),
            &format!(
                "المركبات: {}",
                if kind.is_empty() {
                    "لا يوجد"
                } else {
                    &kind
                }
            ),
        ]);
        Ok([insured, vehicles])
    }

    async fn ungranted_field(&self) -> Result<Line, Failure> {
        let question = Question {
            title: [
                "Social Solidarity asks for the mother's ID, which was not granted",
                "التضامن الاجتماعي تطلب رقم الأم، وهو غير ممنوح",
            ],
            who: "moss",
            whom: "civil",
            service: "persons.v1",
            operation: "lookup",
            purpose: "takaful-eligibility",
            fields: "mother_id,name_ar",
            parameters: self.person(),
        };
        self.refused(&question, "field_not_granted").await
    }

    async fn no_agreement(&self) -> Result<Line, Failure> {
        let question = Question {
            title: [
                "Giza asks the Civil Registry without any agreement",
                "الجيزة تسأل السجل المدني بلا اتفاقية",
            ],
            who: "giza",
            whom: "civil",
            service: "persons.v1",
            operation: "lookup",
            purpose: "citizen-service",
            fields: "name_ar",
            parameters: self.person(),
        };
        self.refused(&question, "no_agreement").await
    }

    async fn changed_on_the_way(&self) -> Result<Line, Failure> {
        let title = [
            "A sealed request is changed on its way to the switch",
            "طلب مختوم يُغيَّر في طريقه إلى المحوِّل",
        ];
        self.teller.line(title);
        let changed = tamper::send_changed(&self.home("moss"), self.person()).await?;
        self.expect(&changed.code, "bad_seal")?;
        self.tell_refusal("bad_seal", "");
        Ok(Line {
            title: self.teller.say(title).to_owned(),
            place: Place::Index(changed.index),
            code: changed.code,
        })
    }

    async fn window(&self) -> Result<Line, Failure> {
        let question = Question {
            title: [
                "A citizen at the Giza centre asks where her application stands",
                "مواطنة في مركز الجيزة تسأل عن موقف طلبها",
            ],
            who: "giza",
            whom: "moss",
            service: "applications.v1",
            operation: "status",
            purpose: "citizen-service",
            fields: "applied_on,programme,status",
            parameters: self.person(),
        };
        let (line, row) = self.answered(&question).await?;
        self.teller.good([
            &format!("{}: {}", text(&row["programme"]), text(&row["status"])),
            &format!(
                "{}: {}",
                isolated(text(&row["programme"])),
                isolated(text(&row["status"]))
            ),
        ]);
        Ok(line)
    }

    async fn echo(&self) -> Result<Line, Failure> {
        let title = [
            "Giza tries the built-in echo, which needs nobody",
            "الجيزة تجرّب خدمة الصدى المدمجة التي لا تحتاج أحدًا",
        ];
        self.teller.line(title);
        let home = self.home("giza").display().to_string();
        let arguments = [
            "call",
            "EG/GOV/SWITCH/echo/echo.v1",
            "echo",
            "--home",
            &home,
            "--purpose",
            "test",
            "--data",
            r#"{"hello":"أهلًا"}"#,
        ];
        let ended = mohawel(&arguments).await?.success("call")?;
        self.teller.good(["it came back unchanged", "عادت كما هي"]);
        Ok(Line {
            title: self.teller.say(title).to_owned(),
            place: exchange(&ended),
            code: "answered".to_owned(),
        })
    }

    fn home(&self, key: &str) -> PathBuf {
        self.homes.join(key)
    }

    /// Asks; the answer's first row, or null when there is none.
    async fn answered(&self, question: &Question<'_>) -> Result<(Line, Value), Failure> {
        let ended = self.ask(question).await?.success("call")?;
        let line = Line {
            title: self.teller.say(question.title).to_owned(),
            place: exchange(&ended),
            code: "answered".to_owned(),
        };
        Ok((line, ended["payload"]["rows"][0].clone()))
    }

    /// Asks; the refusal must be `code`.
    async fn refused(&self, question: &Question<'_>, code: &str) -> Result<Line, Failure> {
        let ended = self.ask(question).await?;
        if ended.code != Exit::Refused as i32 {
            return Err(Failure::unavailable(format!(
                "expected the refusal {code}, got exit code {}: {}",
                ended.code, ended.stderr
            )));
        }
        self.expect(&text(&ended.json["code"]), code)?;
        self.tell_refusal(code, &text(&ended.json["clause"]));
        Ok(Line {
            title: self.teller.say(question.title).to_owned(),
            place: exchange(&ended.json),
            code: code.to_owned(),
        })
    }

    async fn ask(&self, question: &Question<'_>) -> Result<super::process::Ended, Failure> {
        self.teller.line(question.title);
        let service = format!("{}/{}", agency(question.whom).system_id(), question.service);
        let home = self.home(question.who).display().to_string();
        let data = json!({ "operation": question.operation, "parameters": question.parameters })
            .to_string();
        let arguments = [
            "call",
            &service,
            question.operation,
            "--home",
            &home,
            "--purpose",
            question.purpose,
            "--fields",
            question.fields,
            "--data",
            &data,
        ];
        mohawel(&arguments).await
    }

    fn tell_refusal(&self, code: &str, clause: &str) {
        let Some(code) = proto::Code::parse(code) else {
            return;
        };
        let clause_en = if clause.is_empty() {
            String::new()
        } else {
            format!(" [clause: {clause}]")
        };
        let clause_ar = if clause.is_empty() {
            String::new()
        } else {
            format!(" [البند: {}]", isolated(clause))
        };
        self.teller.refused([
            &format!("{code}{clause_en}: {}", code.sentence(Language::English)),
            &format!(
                "{}{clause_ar}: {}",
                isolated(code.name()),
                code.sentence(Language::Arabic)
            ),
        ]);
        self.teller.line([
            &format!("  → {}", code.remedy(Language::English)),
            &format!("  ← {}", code.remedy(Language::Arabic)),
        ]);
    }

    fn expect(&self, found: &str, wanted: &str) -> Result<(), Failure> {
        if found == wanted {
            return Ok(());
        }
        Err(Failure::unavailable(format!(
            "the story expects {wanted}, the switch said '{found}'"
        )))
    }
}

/// A Takaful application under review, with a wrong declaration where there is one.
pub(super) fn case_of<'a>(plan: &Plan, rows: &'a [Application]) -> Option<&'a Application> {
    let open = |row: &&Application| {
        row.programme == Programme::Takaful && row.status == ApplicationStatus::UnderReview
    };
    let candidates: HashMap<HouseholdId, &Application> = rows
        .iter()
        .filter(open)
        .map(|row| (row.household, row))
        .collect();
    let misstated = plan.households().find_map(|household| {
        let row = *candidates.get(&household.id)?;
        (household.minors(plan.reference()).count() as u32 != row.declared_children).then_some(row)
    });
    misstated
        .or_else(|| rows.iter().find(open))
        .or_else(|| rows.first())
}

/// The exchange id in what `mohawel call --json` printed.
fn exchange(printed: &Value) -> Place {
    Place::Exchange(text(&printed["exchange_id"]))
}

/// A JSON value as a person reads it; a dash where there is none.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "—".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
