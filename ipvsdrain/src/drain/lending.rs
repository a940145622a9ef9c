//! Settings that are not ours and that a drain turns on for a while: journalled before they are touched, shared by the
//! drains that need them, put back by the last one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::facts::{AtZero, Evidence, Facts};
use super::step::Step;

/// What can be borrowed. All of them are switches, and borrowing means: on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// `net.ipv4.vs.expire_nodest_conn`: a datagram of a removed server's flow is scheduled anew, not dropped.
    ExpireNodest,
    /// `net.ipv4.vs.expire_quiescent_template`: a persistent client of a server at weight 0 is scheduled anew.
    QuiescentTemplate,
    /// The fallback flag of the service's scheduler (`sh-fallback`, `mh-fallback`).
    Fallback,
}

impl Setting {
    pub const ALL: [Setting; 3] = [
        Setting::ExpireNodest,
        Setting::QuiescentTemplate,
        Setting::Fallback,
    ];
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Setting::ExpireNodest => "net.ipv4.vs.expire_nodest_conn",
            Setting::QuiescentTemplate => "net.ipv4.vs.expire_quiescent_template",
            Setting::Fallback => "the scheduler's fallback flag",
        })
    }
}

/// One borrowed setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loan {
    /// What is owed back.
    pub before: bool,
    /// It was seen on since: where it is off again, that was another hand, and it is not turned on twice.
    pub seen_on: bool,
}

/// Everything one drain has borrowed; or of several drains, what each setting is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Borrowed {
    pub expire_nodest: Option<Loan>,
    pub quiescent_template: Option<Loan>,
    pub fallback: Option<Loan>,
}

impl Borrowed {
    pub const fn of(&self, setting: Setting) -> Option<Loan> {
        match setting {
            Setting::ExpireNodest => self.expire_nodest,
            Setting::QuiescentTemplate => self.quiescent_template,
            Setting::Fallback => self.fallback,
        }
    }

    pub(super) const fn of_mut(&mut self, setting: Setting) -> &mut Option<Loan> {
        match setting {
            Setting::ExpireNodest => &mut self.expire_nodest,
            Setting::QuiescentTemplate => &mut self.quiescent_template,
            Setting::Fallback => &mut self.fallback,
        }
    }

    pub fn is_empty(&self) -> bool {
        Setting::ALL.iter().all(|setting| self.of(*setting).is_none())
    }

    /// Sums up what several drains owe; `same_service` for one of the same service, whose flag is the same one.
    pub fn add(&mut self, other: &Borrowed, same_service: bool) {
        for setting in Setting::ALL {
            if setting != Setting::Fallback || same_service {
                let owed = self.of(setting).or(other.of(setting));
                *self.of_mut(setting) = owed;
            }
        }
    }
}

impl Facts {
    /// What a setting reads; `None` if there is nothing to set any more.
    pub(super) fn setting(&self, setting: Setting) -> Option<Evidence<bool>> {
        match setting {
            Setting::ExpireNodest => Some(self.expire_nodest_conn.clone()),
            Setting::QuiescentTemplate => Some(self.expire_quiescent_template.clone()),
            Setting::Fallback => match &self.service {
                Evidence::Unknown(why) => Some(Evidence::Unknown(why.clone())),
                Evidence::Known(None) => None,
                Evidence::Known(Some(service)) => match service.scheduler.at_zero {
                    AtZero::Fallback(on) => Some(Evidence::Known(on)),
                    AtZero::Skips | AtZero::Drops => None,
                },
            },
        }
    }
}

impl Step {
    /// Turns a setting on unless it is, and remembers what is owed. Also where it is on for another drain: it must not
    /// go off before this one is done with it.
    pub(super) fn borrow(&mut self, setting: Setting, facts: &Facts) {
        let elsewhere = facts.borrowed_elsewhere.of(setting);
        let reads = facts.setting(setting);
        let loan = self.record.borrowed.of_mut(setting);
        match reads {
            Some(Evidence::Known(true)) => {
                *loan = (*loan).or(elsewhere).map(|loan| Loan {
                    seen_on: true,
                    ..loan
                });
            }
            Some(Evidence::Known(false)) => {
                *loan = Some(Loan {
                    before: false,
                    seen_on: false,
                });
                self.actions.push(Action::Set(setting, true));
            }
            Some(Evidence::Unknown(_)) | None => {}
        }
    }

    /// Borrows for as long as the drain lasts. A setting that another hand turned off meanwhile stays off.
    pub(super) fn keep_borrowed(&mut self, setting: Setting, facts: &Facts) {
        let turned_off = self.record.borrowed.of(setting).is_some_and(|loan| loan.seen_on)
            && facts.setting(setting) == Some(Evidence::Known(false));
        if !turned_off {
            self.borrow(setting, facts);
        }
    }

    /// Gives a setting back, unless it is still needed here or by another drain. It is owed until it reads as it did.
    pub(super) fn give_back(&mut self, setting: Setting, facts: &Facts) {
        let Some(loan) = self.record.borrowed.of(setting) else {
            return;
        };
        // This very step may have asked for it before the drain came to its end.
        self.actions
            .retain(|action| *action != Action::Set(setting, !loan.before));
        let reads = facts.setting(setting);
        let done = facts.borrowed_elsewhere.of(setting).is_some()
            || reads.is_none()
            || reads == Some(Evidence::Known(loan.before));
        if done {
            *self.record.borrowed.of_mut(setting) = None;
        } else {
            self.actions.push(Action::Set(setting, loan.before));
        }
    }
}
