//! Findings, tasks, reminders, audits, and the way out.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Case, News, check_text, conflict, invalid, room, taken, unknown};
use crate::change::Change;
use crate::dossier::Offboarding;

impl Case<'_> {
    /// The last of the judges: what nobody else judges.
    pub(super) fn work(&self, change: &Change) -> News {
        let dossier = self.dossier;
        match change {
            Change::FindingOpened { id, title, severity, owner, due } => {
                if let Some(known) = dossier.findings.get(id) {
                    let same = (&known.title, known.severity, &known.owner, known.due)
                        == (title, *severity, owner, *due);
                    return if same { Ok(false) } else { Err(taken("finding", id)) };
                }
                room("findings", dossier.findings.len())?;
                check_text("title", title)?;
                self.check_due(*due).map(|()| true)
            }
            Change::FindingClosed { id, evidence, .. } => {
                let Some(known) = dossier.findings.get(id) else { return unknown("finding", id) };
                evidence.map_or(Ok(()), |evidence| self.check_good(evidence))?;
                Ok(known.closed.is_none())
            }
            Change::TaskOpened { id, title, owner, due } => {
                if let Some(known) = dossier.tasks.get(id) {
                    let same = (&known.title, &known.owner, known.due) == (title, owner, *due);
                    return if same { Ok(false) } else { Err(taken("task", id)) };
                }
                room("tasks", dossier.tasks.len())?;
                check_text("title", title)?;
                self.check_due(*due).map(|()| true)
            }
            Change::TaskDone { id } => match dossier.tasks.get(id) {
                Some(task) => Ok(task.done_at.is_none()),
                None => unknown("task", id),
            },
            Change::Reminded { what } => {
                room("reminders", dossier.reminded.len())?;
                check_text("reminder", what).map(|()| !dossier.reminded.contains(what))
            }
            Change::AuditPlanned { id, due, every_months, scope } => {
                let known = dossier.audits.get(id);
                let same = known.is_some_and(|known| {
                    (known.due, known.every_months, &known.scope) == (Some(*due), *every_months, scope)
                });
                if same {
                    return Ok(false);
                }
                room("audits", dossier.audits.len())?;
                self.planned(*due, *every_months, scope)
            }
            Change::AuditDone { id, evidence, summary } => {
                let Some(known) = dossier.audits.get(id) else { return unknown("audit", id) };
                check_text("summary", summary)?;
                evidence.map_or(Ok(()), |evidence| self.check_good(evidence))?;
                if known.due.is_none() {
                    return conflict(format!("audit `{id}` is done, and none follows"), "plan another one");
                }
                Ok(true)
            }
            _ => self.leaving(change),
        }
    }

    fn planned(&self, due: Date, every_months: Option<u32>, scope: &str) -> News {
        check_text("scope", scope)?;
        self.check_due(Some(due))?;
        if every_months.is_some_and(|months| !(1..=60).contains(&months)) {
            return invalid(
                "that is no cadence of audits",
                "use 1 to 60 months, or leave it out for one audit",
            );
        }
        Ok(true)
    }

    fn leaving(&self, change: &Change) -> News {
        let leaving = self.dossier.offboarding.as_ref();
        let open = leaving.filter(|leaving| leaving.done.is_none());
        match change {
            Change::OffboardingBegun { plan, ends } => self.begun(open, plan, *ends),
            Change::DeletionCertified { evidence } => match open {
                None => conflict("the vendor isn't being off-boarded", "begin the off-boarding first"),
                Some(open) => self.check_good(*evidence).map(|()| open.deletion != Some(*evidence)),
            },
            Change::OffboardingEnded { .. } => match (leaving, open) {
                (Some(_), None) => Ok(false),
                (None, _) => conflict("the vendor isn't being off-boarded", "begin the off-boarding first"),
                (_, Some(open)) if self.now < open.ends => conflict(
                    format!("the vendor's access ends at {} only", open.ends),
                    "wait, or cancel and begin anew",
                ),
                (_, Some(open)) if open.deletion.is_none() => conflict(
                    "nobody has certified that the data is deleted",
                    "add the certificate as evidence",
                ),
                (_, Some(_)) => Ok(true),
            },
            Change::OffboardingCancelled { .. } => match open {
                Some(_) => Ok(true),
                None => conflict("the vendor isn't being off-boarded", "there is nothing to cancel"),
            },
            // Every change has its judge; one that had none would be refused.
            _ => conflict("nobody judges this", "this is a mistake of the program"),
        }
    }

    fn begun(&self, open: Option<&Offboarding>, plan: &str, ends: Timestamp) -> News {
        check_text("exit plan", plan)?;
        if let Some(open) = open {
            if open.plan == plan && open.ends == ends {
                return Ok(false);
            }
            return conflict("the vendor is being off-boarded already", "cancel that before another plan");
        }
        if ends < self.now {
            return invalid(format!("`{ends}` is over"), "name when access ends, now at the earliest");
        }
        Ok(true)
    }
}
