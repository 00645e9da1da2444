//! Policies that are tried: those in force, but for those of the files.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use portcullis_api::manifest;
use portcullis_domain::ids::{ClientId, IntegrationId, RouteId, VendorId};
use portcullis_domain::spec::{Impact, Kind, MoneySpec, PolicySpec, Spec};
use portcullis_policy::policies::{PolicyFacts, RiskRules, Subject, in_force};
use portcullis_replay::redecide::{Change, Decided};
use portcullis_risk::Rules;
use serde_json::Value;
use uuid::Uuid;

use super::super::apply;
use super::super::failure::Usage;
use super::super::get;
use super::super::server::Server;

/// Names and ids of what policies may name.
#[derive(Default)]
struct Known {
    ids: HashMap<(Kind, String), Uuid>,
    /// Impact of each route, and the most records that one of its responses holds.
    routes: HashMap<Uuid, (Impact, Option<u64>)>,
}

pub(super) struct Policies {
    known: Known,
    now: Vec<PolicyFacts>,
    tried: Vec<PolicyFacts>,
    /// Decisions whose money at stake could not be computed anew.
    stakes_kept: u64,
}

impl Policies {
    pub async fn of(server: &Server, files: &[PathBuf]) -> Result<Self> {
        let mut specs = BTreeMap::new();
        for text in apply::read_all(files)? {
            let documents = manifest::parse(&text.file, &text.text).map_err(|errors| {
                let first = errors.into_iter().next();
                first.map_or_else(|| anyhow!("`{}` can't be read", text.file), |error| anyhow!(error))
            })?;
            for document in documents {
                let declaration = document.declaration;
                match declaration.spec {
                    Spec::Policy(spec) => {
                        specs.insert(declaration.name.clone(), *spec);
                    }
                    other => {
                        return Err(anyhow!(
                            "`{}` in `{}` is a {}, and only policies can be tried\nhint: `apply --dry-run` shows what others would change",
                            declaration.name,
                            text.file,
                            other.kind()
                        ));
                    }
                }
            }
        }
        if specs.is_empty() {
            return Err(Usage("the files hold no policy".to_owned()).into());
        }
        let known = Known::of(server).await?;
        let mut now_specs = BTreeMap::new();
        for view in get::all(server, Kind::Policy).await? {
            let spec: PolicySpec = serde_json::from_value(view.spec)
                .with_context(|| format!("the policy `{}` is none that this version reads", view.name))?;
            now_specs.insert(view.name, spec);
        }
        let mut tried_specs = now_specs.clone();
        tried_specs.extend(specs);
        let facts = |specs: &BTreeMap<String, PolicySpec>| -> Result<Vec<PolicyFacts>> {
            specs.iter().map(|(name, spec)| known.policy(name, spec)).collect()
        };
        let (now, tried) = (facts(&now_specs)?, facts(&tried_specs)?);
        Ok(Self { known, now, tried, stakes_kept: 0 })
    }

    pub fn notes(&self) -> Vec<String> {
        if self.stakes_kept == 0 {
            return Vec::new();
        }
        vec![format!(
            "the money at stake of {} decisions is that of their record: how many records were at stake can't be told from it",
            self.stakes_kept
        )]
    }
}

impl Change for Policies {
    fn of(&mut self, decided: &Decided, rules: Rules, money: u64) -> (Rules, u64) {
        let ids = decided.vendor.zip(decided.integration).zip(decided.route);
        let Some(((vendor, integration), route)) = ids else { return (rules, money) };
        let Some((impact, page_max)) = self.known.routes.get(&route.0).copied() else {
            return (rules, money);
        };
        let subject = Subject { vendor, integration, route, impact };
        let then: RiskRules = in_force(&self.now, subject).compiled(impact);
        let tried: RiskRules = in_force(&self.tried, subject).compiled(impact);
        if then.money == tried.money {
            return (tried.rules, money);
        }
        // How many records were at stake, from what they were worth by the policies in force.
        let by_impact = tried.money.per_record.is_none() && tried.money.lateral.is_none();
        let each = then.money.per_record.unwrap_or(0).saturating_mul(u64::from(then.money.reach));
        let records = money.saturating_sub(then.money.lateral.unwrap_or(0)).checked_div(each).or(page_max);
        match records {
            _ if by_impact => (tried.rules, tried.money.at_stake(None, 0)),
            Some(records) => (tried.rules, tried.money.at_stake(page_max, records)),
            None => {
                self.stakes_kept += 1;
                (tried.rules, money)
            }
        }
    }
}

impl Known {
    async fn of(server: &Server) -> Result<Self> {
        let mut known = Self::default();
        for kind in [Kind::Vendor, Kind::Integration, Kind::Route] {
            for view in get::all(server, kind).await? {
                if kind == Kind::Route {
                    let impact = view.spec.get("impact").cloned().unwrap_or(Value::Null);
                    let impact: Impact = serde_json::from_value(impact).unwrap_or(Impact::Critical);
                    let page_max = view.spec.get("page_max").and_then(Value::as_u64);
                    known.routes.insert(view.id, (impact, page_max));
                }
                known.ids.insert((kind, view.name), view.id);
            }
        }
        Ok(known)
    }

    fn policy(&self, name: &str, spec: &PolicySpec) -> Result<PolicyFacts> {
        let ids = |kind: Kind, names: &Option<Vec<String>>| -> Result<Option<Vec<Uuid>>> {
            let Some(names) = names else { return Ok(None) };
            let ids = names.iter().map(|wanted| {
                self.ids.get(&(kind, wanted.clone())).copied().ok_or_else(|| {
                    anyhow!("the policy `{name}` names the {kind} `{wanted}`, which there is none of\nhint: `portcullis get {kind}` lists them")
                })
            });
            ids.collect::<Result<Vec<_>>>().map(Some)
        };
        let MoneySpec { per_record, reach, lateral } = spec.money.unwrap_or_default();
        Ok(PolicyFacts {
            name: name.to_owned(),
            vendors: ids(Kind::Vendor, &spec.vendors)?.map(|ids| ids.into_iter().map(VendorId).collect()),
            integrations: ids(Kind::Integration, &spec.integrations)?
                .map(|ids| ids.into_iter().map(IntegrationId).collect()),
            routes: ids(Kind::Route, &spec.routes)?.map(|ids| ids.into_iter().map(RouteId).collect()),
            impacts: spec.impacts.clone(),
            mode: spec.mode,
            families: spec.families.clone(),
            sever_by_evidence: spec.sever_by_evidence,
            money_per_record: per_record,
            reach,
            lateral,
        })
    }
}

/// Names of clients by id.
pub(super) async fn clients(server: &Server) -> Result<BTreeMap<Uuid, String>> {
    Ok(get::all(server, Kind::Client).await?.into_iter().map(|view| (view.id, view.name)).collect())
}

/// The client of a name, or of an id.
pub(super) fn client(names: &BTreeMap<Uuid, String>, wanted: &str) -> Result<ClientId> {
    let by_name = names.iter().find(|(_, name)| *name == wanted).map(|(id, _)| *id);
    let id = by_name.or_else(|| wanted.parse().ok());
    id.map(ClientId).ok_or_else(|| {
        anyhow!("there is no client `{wanted}`\nhint: `portcullis get clients` lists them; without a server, give its id")
    })
}
