//! Making households: one draw of shape, then people whose dates and names fit together.
//!
//! Takes the seed, the number of people and the reference date; gives households until that
//! number is reached. Never looks at a clock and never keeps a household it has given.

use std::collections::VecDeque;

use time::{Date, Duration};

use super::{Household, HouseholdId, MaritalStatus, Person, Role};
use crate::demo::people::governorates::{self, Governorate};
use crate::demo::people::ids::{Serials, Sex};
use crate::demo::people::names::{FullName, Name, Tradition};
use crate::demo::people::rng::Chance;

/// No household is larger: two parents and a second wife, twice six children, a grandmother.
const LARGEST: u64 = 16;

/// The shapes a household can have.
#[derive(Clone, Copy)]
enum Shape {
    Couple,
    CoupleWithGrandmother,
    TwoWives,
    Widowed,
    /// Two households: the mother with the children, and the father alone.
    Divorced,
    Lone,
}

/// What all members of a household under construction share.
#[derive(Clone, Copy)]
struct Home {
    id: HouseholdId,
    governorate: &'static Governorate,
    tradition: Tradition,
}

/// The households of a [`Plan`](crate::demo::people::Plan), made one by one.
#[derive(Debug)]
pub struct Households {
    chance: Chance,
    serials: Serials,
    reference: Date,
    people_left: u64,
    last_id: u32,
    ready: VecDeque<Household>,
}

impl Iterator for Households {
    type Item = Household;

    fn next(&mut self) -> Option<Household> {
        if self.ready.is_empty() && self.people_left > 0 {
            self.make();
        }
        self.ready.pop_front()
    }
}

impl Households {
    pub(in crate::demo::people) fn new(seed: u64, people: u64, reference: Date) -> Self {
        Self {
            chance: Chance::new(seed),
            serials: Serials::until(reference),
            reference,
            people_left: people,
            last_id: 0,
            ready: VecDeque::new(),
        }
    }

    fn make(&mut self) {
        // The last few places are filled with people living alone: a family cut short would
        // hold children whose parents do not exist.
        let shape = if self.people_left < LARGEST {
            Shape::Lone
        } else {
            match self.chance.below(100) {
                0..60 => Shape::Couple,
                60..68 => Shape::CoupleWithGrandmother,
                68..70 => Shape::TwoWives,
                70..80 => Shape::Widowed,
                80..88 => Shape::Divorced,
                _ => Shape::Lone,
            }
        };
        let home = self.open_home();
        let members = match shape {
            Shape::Couple => self.couple(home, 85),
            Shape::CoupleWithGrandmother => self.couple_with_grandmother(home),
            Shape::TwoWives => self.two_wives(home),
            Shape::Widowed => self.widowed(home),
            Shape::Divorced => self.divorced(home),
            Shape::Lone => vec![self.lone(home)],
        };
        self.close_home(home, members);
    }

    fn open_home(&mut self) -> Home {
        self.last_id += 1;
        Home {
            id: HouseholdId(self.last_id),
            governorate: governorates::draw(&mut self.chance),
            tradition: Tradition::draw(&mut self.chance),
        }
    }

    fn close_home(&mut self, home: Home, members: Vec<Person>) {
        self.people_left = self.people_left.saturating_sub(members.len() as u64);
        let household = Household {
            id: home.id,
            governorate: home.governorate,
            members,
            means: self.chance.below(100) as u8,
            noise: self.chance.bits(),
        };
        self.ready.push_back(household);
    }

    /// Husband (head), wife and their children.
    fn couple(&mut self, home: Home, oldest: i64) -> Vec<Person> {
        let husband = self.husband(home, oldest);
        let wife = self.wife(home, &husband, -2, 12);
        let mut members = vec![husband, wife];
        self.add_children(home, &husband, &wife, &mut members);
        members
    }

    fn couple_with_grandmother(&mut self, home: Home) -> Vec<Person> {
        let mut members = self.couple(home, 60);
        let born = self.before(members[0].birth_date, 18, 38);
        let name = home.tradition.draw_full(&mut self.chance, Sex::Female);
        let widowed = MaritalStatus::Widowed;
        let grandmother = self.person(home, Sex::Female, born, name, Role::Mother, widowed);
        members[0].mother = Some(grandmother.national_id);
        members.push(grandmother);
        members
    }

    fn two_wives(&mut self, home: Home) -> Vec<Person> {
        let mut home = home;
        home.tradition = Tradition::Common;
        let husband = self.husband(home, 75);
        let first = self.wife(home, &husband, 0, 8);
        let second = self.wife(home, &husband, 5, 18);
        let mut members = vec![husband, first, second];
        self.add_children(home, &husband, &first, &mut members);
        self.add_children(home, &husband, &second, &mut members);
        members
    }

    /// A couple of which one has died after the youngest child's birth; four times in five the
    /// husband.
    fn widowed(&mut self, home: Home) -> Vec<Person> {
        let mut members = self.couple(home, 85);
        let (late, left) = if self.chance.percent(80) {
            (0, 1)
        } else {
            (1, 0)
        };
        let youngest = members.iter().map(|person| person.birth_date).max();
        let adult = members[1].birth_date.max(members[0].birth_date);
        let earliest = youngest
            .unwrap_or(adult)
            .max(adult.saturating_add(years(18)))
            .max(self.reference.saturating_sub(years(20)));
        members[late].death_date = Some(self.day_between(earliest, self.reference));
        members[late].role = Role::LateSpouse;
        members[left].role = Role::Head;
        members[left].marital_status = MaritalStatus::Widowed;
        members
    }

    /// Gives the mother's household; the father's is made ready beside it.
    fn divorced(&mut self, home: Home) -> Vec<Person> {
        let mut members = self.couple(home, 65);
        let mut father = members.remove(0);
        members[0].role = Role::Head;
        members[0].marital_status = MaritalStatus::Divorced;
        let away = self.open_home();
        father.marital_status = MaritalStatus::Divorced;
        father.household = away.id;
        father.governorate = away.governorate;
        self.close_home(away, vec![father]);
        members
    }

    fn lone(&mut self, home: Home) -> Person {
        let sex = if self.chance.percent(50) {
            Sex::Male
        } else {
            Sex::Female
        };
        let born = self.adult_birth(20, 85);
        let name = home.tradition.draw_full(&mut self.chance, sex);
        let young = born > self.reference.saturating_sub(years(35));
        let status = match self.chance.below(10) {
            _ if young => MaritalStatus::Single,
            0..4 => MaritalStatus::Single,
            4..7 => MaritalStatus::Divorced,
            _ => MaritalStatus::Widowed,
        };
        self.person(home, sex, born, name, Role::Head, status)
    }

    fn husband(&mut self, home: Home, oldest: i64) -> Person {
        let born = self.adult_birth(24, oldest);
        let name = home.tradition.draw_full(&mut self.chance, Sex::Male);
        self.person(
            home,
            Sex::Male,
            born,
            name,
            Role::Head,
            MaritalStatus::Married,
        )
    }

    /// A wife who is `low..=high` years younger than her husband, and of age.
    fn wife(&mut self, home: Home, husband: &Person, low: i64, high: i64) -> Person {
        let gap = self.chance.between(low * 365, high * 365);
        let of_age = self.reference.saturating_sub(years(18));
        let latest = of_age.saturating_sub(Duration::days(self.chance.between(0, 700)));
        let born = husband
            .birth_date
            .saturating_add(Duration::days(gap))
            .min(latest);
        let name = home.tradition.draw_full(&mut self.chance, Sex::Female);
        self.person(
            home,
            Sex::Female,
            born,
            name,
            Role::Spouse,
            MaritalStatus::Married,
        )
    }

    /// Children of this couple that still live at home: born after both were eighteen and before
    /// the mother was forty-five, at least ten months apart, no two brothers or sisters alike.
    fn add_children(
        &mut self,
        home: Home,
        father: &Person,
        mother: &Person,
        members: &mut Vec<Person>,
    ) {
        let of_age = father
            .birth_date
            .max(mother.birth_date)
            .saturating_add(years(18));
        let latest = mother
            .birth_date
            .saturating_add(years(45))
            .min(self.reference);
        let mut born = of_age.saturating_add(Duration::days(self.chance.between(300, 2_000)));
        let mut taken: Vec<&'static Name> = vec![father.name.given];
        taken.extend(
            members
                .iter()
                .filter(|p| p.role == Role::Child)
                .map(|p| p.name.given),
        );
        let children = self.chance.between(0, 6).max(self.chance.between(0, 4));
        for _ in 0..children {
            if born > latest {
                return;
            }
            let sex = if self.chance.percent(51) {
                Sex::Male
            } else {
                Sex::Female
            };
            let grown = born < self.reference.saturating_sub(years(25));
            let left_home = grown && self.chance.percent(80);
            if !left_home {
                let given = home.tradition.draw_given(&mut self.chance, sex, &taken);
                taken.push(given);
                let name = father.name.child(given);
                let single = MaritalStatus::Single;
                let mut child = self.person(home, sex, born, name, Role::Child, single);
                child.father = Some(father.national_id);
                child.mother = Some(mother.national_id);
                members.push(child);
            }
            born = born.saturating_add(Duration::days(self.chance.between(310, 1_500)));
        }
    }

    fn person(
        &mut self,
        home: Home,
        sex: Sex,
        born: Date,
        name: FullName,
        role: Role,
        marital_status: MaritalStatus,
    ) -> Person {
        let national_id = self.serials.issue(born, sex);
        Person {
            national_id,
            name,
            birth_date: national_id.birth_date(),
            sex,
            marital_status,
            governorate: home.governorate,
            household: home.id,
            role,
            father: None,
            mother: None,
            death_date: None,
        }
    }

    /// A birth date that makes someone `youngest..=oldest` years old, younger ages more often.
    fn adult_birth(&mut self, youngest: i64, oldest: i64) -> Date {
        let one = self.chance.between(days(youngest), days(oldest));
        let other = self.chance.between(days(youngest), days(oldest));
        self.reference
            .saturating_sub(Duration::days(one.min(other)))
    }

    /// A day `low..=high` years before `date`.
    fn before(&mut self, date: Date, low: i64, high: i64) -> Date {
        date.saturating_sub(Duration::days(self.chance.between(days(low), days(high))))
    }

    fn day_between(&mut self, first: Date, last: Date) -> Date {
        let span = (last - first).whole_days();
        first
            .saturating_add(Duration::days(self.chance.between(0, span)))
            .min(last)
    }
}

/// The days of so many years, rounded up so that a birthday is always included.
fn days(years: i64) -> i64 {
    (years * 1_461).div_euclid(4) + 1
}

fn years(years: i64) -> Duration {
    Duration::days(days(years))
}
