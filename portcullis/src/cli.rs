//! The command line: verb first, every answer as table, JSON or YAML.

mod apply;
mod attest;
mod auditor;
mod backtest;
mod backup;
mod break_glass;
mod calendar;
mod call;
mod certificate;
mod certificates;
mod client;
mod decisions;
mod describe;
mod doctor;
mod enforcer;
mod enroll;
mod evidence;
mod examples;
mod exercise;
mod explain;
pub(crate) mod failure;
mod feed;
mod findings;
mod follow;
mod get;
mod hold;
mod import;
mod incident;
mod key;
mod keys;
mod ledger;
mod local;
mod metrics;
mod network;
mod notify;
mod operators;
mod output;
mod pack;
mod page;
mod posture;
mod questionnaire;
mod receipt;
#[cfg(test)]
mod reference;
mod reload;
mod replay;
mod restore;
mod risk;
mod screen;
mod server;
mod sever;
mod sign_out;
mod source;
mod table;
mod task;
mod telling;
mod time;
mod tunnels;
mod vendor;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{demo, logging, up};
use output::{Format, Output};

/// The line as it was typed.
#[derive(Parser)]
#[command(
    name = "portcullis",
    version,
    about = examples::ABOUT,
    long_about = None,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = examples::PORTCULLIS
)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Args)]
struct Globals {
    /// How to print the answer
    #[arg(short, long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    output: Format,
    #[command(flatten)]
    place: Place,
}

/// Where the server is.
#[derive(clap::Args, Clone, Default)]
struct Place {
    /// Address of control; without it, `endpoints.json` of the data folder says
    #[arg(
        long,
        global = true,
        env = "PORTCULLIS_SERVER",
        value_name = "URL",
        help_heading = "Global options"
    )]
    server: Option<String>,
    // Its variable is read by hand: clap would hand it on to `demo`, which replaces its folder.
    /// Data folder of `portcullis up` (or `PORTCULLIS_DIR`); `./portcullis-data` if it is there
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    dir: Option<PathBuf>,
    /// PEM of the authority that signed the server's certificate
    #[arg(long, global = true, env = "PORTCULLIS_CA", value_name = "FILE", help_heading = "Global options")]
    ca: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Verb {
    /// Run gate and control in one process, with everything in one folder
    #[command(after_help = examples::UP)]
    Up(up::Arguments),
    /// Watch vendors' machines at work, a theft, a cut and a severance
    #[command(after_help = examples::DEMO)]
    Demo(demo::Arguments),
    /// Declare resources from manifests, all of them or none
    #[command(after_help = examples::APPLY)]
    Apply(apply::Arguments),
    /// Show what applying would change
    #[command(after_help = examples::DIFF)]
    Diff(apply::Files),
    /// List the resources of a kind, or one
    #[command(after_help = examples::GET)]
    Get(get::Arguments),
    /// Show a resource with its state, and what hangs on it
    #[command(after_help = examples::DESCRIBE)]
    Describe(describe::Arguments),
    /// Delete a resource that nothing refers to
    #[command(after_help = examples::DELETE)]
    Delete(get::DeleteArguments),
    /// Register the machines of vendors, and look after their keys
    #[command(subcommand)]
    Client(ClientVerb),
    /// Say what this machine is, signed by its client's key, once or again and again
    #[command(after_help = examples::ATTEST)]
    Attest(attest::Arguments),
    /// Get an access token as a client, for trying things
    #[command(after_help = examples::TOKEN)]
    Token(call::TokenArguments),
    /// Send one request through the gate as a client
    #[command(after_help = examples::CALL)]
    Call(call::Arguments),
    /// List decisions, the newest first, or follow them
    #[command(after_help = examples::DECISIONS)]
    Decisions(decisions::Arguments),
    /// Keep all decisions of a vendor, whatever its retention says
    #[command(subcommand, after_help = examples::HOLD)]
    Hold(hold::Verb),
    /// Look at what is known of vendors, say what you know, let them in, and stop them
    #[command(subcommand)]
    Vendor(vendor::Verb),
    /// Bring in what you keep in spreadsheets
    #[command(subcommand)]
    Import(import::Verb),
    /// Ask vendors, and record what their answers are worth
    #[command(subcommand)]
    Questionnaire(questionnaire::Verb),
    /// Say why a decision was made, and what to do about it
    #[command(after_help = examples::EXPLAIN)]
    Explain(explain::Arguments),
    /// Close every path of a vendor, integration, client, key or session
    #[command(after_help = examples::SEVER)]
    Sever(sever::Arguments),
    /// End every token of a vendor, an integration or a client; new ones may be had
    #[command(after_help = examples::SIGN_OUT)]
    SignOut(sign_out::Arguments),
    /// Propose to open a severed target again, or confirm a proposal
    #[command(after_help = examples::RESTORE)]
    Restore(restore::Arguments),
    /// List what is severed, and what is proposed to be restored
    #[command(after_help = examples::SEVERANCES)]
    Severances(output::Watch),
    /// Print the signed receipts of a severance, or verify one
    #[command(after_help = examples::RECEIPT)]
    Receipt(receipt::Arguments),
    /// Make, list and remove sealed credentials for when nobody can sign in
    #[command(subcommand)]
    BreakGlass(break_glass::Verb),
    /// Run the small process that cuts tunnels and networks, beside `up`
    #[command(after_help = examples::ENFORCER)]
    Enforcer(enforcer::Arguments),
    /// Add, list and remove the people who may command
    #[command(subcommand)]
    Operator(operators::Verb),
    /// Forget a person: destroy the key of their texts, for good
    #[command(after_help = examples::ERASE)]
    Erase(operators::EraseArguments),
    /// Print commented manifests to begin with
    #[command(subcommand)]
    New(local::New),
    /// Print the JSON Schema of a kind's manifests
    #[command(after_help = examples::SCHEMA)]
    Schema(local::SchemaArguments),
    /// Print the reason codes of refusals, and who can fix each
    #[command(after_help = examples::REASONS)]
    Reasons(local::ReasonsArguments),
    /// Look at the keys that tokens are signed with, replace and withdraw them
    #[command(subcommand)]
    Keys(keys::Verb),
    /// Look at the certificates of the built-in authority, issue, renew and revoke them
    #[command(subcommand)]
    Certificate(certificates::Verb),
    /// Look at the tunnels to vendors, issue their credentials, and write both sides' configuration
    #[command(subcommand)]
    Tunnel(tunnels::Verb),
    /// Back an installation up, encrypted, and bring it back
    #[command(subcommand)]
    Backup(backup::Verb),
    /// Look at the ledger of everything that was changed, and verify it
    #[command(subcommand)]
    Ledger(ledger::Verb),
    /// Show what is counted of a vendor, its integrations and their routes
    #[command(after_help = examples::METRICS)]
    Metrics(metrics::Arguments),
    /// List what is wrong, or about to be, and what to do about it
    #[command(after_help = examples::FINDINGS)]
    Findings(output::Watch),
    /// List what is to be done about vendors, add tasks, and say that one is done
    #[command(subcommand)]
    Task(task::Verb),
    /// Make an address of what ends and what is due, for calendar programs
    #[command(subcommand)]
    Calendar(calendar::Verb),
    /// Look at who is told of what happens, and whether it arrives
    #[command(subcommand)]
    Notify(notify::Verb),
    /// Keep vendors' networks to the gate's doors, look at the rules, and at what passes by them
    #[command(subcommand)]
    Network(network::Verb),
    /// Look at registers, lists of sanctions and catalogues of vulnerabilities, and have them anew
    #[command(subcommand)]
    Source(source::Verb),
    /// Say what vendors match on lists of sanctions and among those that we parted from; nothing is recorded
    #[command(after_help = examples::SCREEN)]
    Screen(screen::Arguments),
    /// Look at lists and databases of addresses, check and refresh them
    #[command(subcommand)]
    Feed(feed::Verb),
    /// Print what is known of an address, and by which feeds
    #[command(after_help = examples::ORIGIN)]
    Origin(feed::OriginArguments),
    /// Decide the decision log again, and list what other policies would have changed
    #[command(after_help = examples::BACKTEST)]
    Backtest(backtest::Arguments),
    /// Score logs that you have, as the gate would have, and report what it would have done
    #[command(after_help = examples::REPLAY)]
    Replay(Box<replay::Arguments>),
    /// File, ask for, list and check documents that support what is said of a vendor
    #[command(subcommand)]
    Evidence(evidence::Verb),
    /// List who is called for what, answer a page, and try whether calls arrive
    #[command(subcommand)]
    Page(page::Verb),
    /// Say what a vendor read in a window, as one signed archive for auditors, regulators and lawyers
    #[command(after_help = examples::PACK)]
    Pack(pack::Arguments),
    /// Look after what went wrong: clocks of law and contract, roles, notes, decisions, tasks, notices
    #[command(subcommand)]
    Incident(incident::Verb),
    /// Register the auditors whose signatures over documents count, list and remove them
    #[command(subcommand)]
    Auditor(auditor::Verb),
    /// Rehearse what may happen to a vendor and to you, and see whether it gets better
    #[command(subcommand)]
    Exercise(exercise::Verb),
    /// Look at what scores are made of
    #[command(subcommand)]
    Risk(risk::Verb),
    /// Read settings, certificates and identities anew, while everything serves on
    Reload,
    /// Check folder, disk, permissions, certificates, server, clock, ledger, gate and upstreams
    #[command(after_help = examples::DOCTOR)]
    Doctor(doctor::Arguments),
    /// Print the completion script of a shell
    #[command(after_help = examples::COMPLETION)]
    Completion(local::CompletionArguments),
    /// Print the version
    Version,
}

#[derive(Subcommand)]
enum ClientVerb {
    /// Register a client by its public key or certificate, or by a link; secrets can't be registered
    #[command(after_help = examples::ENROLL)]
    Enroll(enroll::Arguments),
    /// Make a key on the vendor's machine, and register it by a link
    #[command(after_help = examples::ACCEPT)]
    Accept(client::AcceptArguments),
    /// Put a new key in the place of the one in use, on the vendor's machine
    #[command(after_help = examples::ROTATE)]
    Rotate(client::RotateArguments),
    /// List the keys that a client has or had, with their ends
    #[command(after_help = examples::KEYS)]
    Keys(client::KeysArguments),
    /// Refuse the keys of a client, or one of them, for good
    #[command(after_help = examples::CLIENT_REVOKE)]
    Revoke(client::RevokeArguments),
    /// Show what is held of a client's machine, or say how it is
    #[command(after_help = examples::CLIENT_POSTURE)]
    Posture(posture::Arguments),
}

/// How a command came out; a failure is an error instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Done,
    /// It answered, and the answer is a refusal.
    Refused,
}

/// Reads the arguments, does what they say, and tells how it came out: 0 done, 1 refused or
/// failed, 2 not understood.
pub fn main() -> ExitCode {
    // clap itself answers usage errors, with 2.
    let Cli { globals, verb } = Cli::parse();
    let run = || -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let outcome = runtime.block_on(run(globals, verb));
        // Whatever still reads or waits is of no use any more.
        runtime.shutdown_background();
        outcome
    };
    match run() {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Err(error) => failure::report(&error),
    }
}

async fn run(globals: Globals, verb: Verb) -> Result<Outcome> {
    let Globals { output, place } = globals;
    let out = Output::new(output);
    match verb {
        Verb::Up(arguments) => {
            logging::start("info", arguments.log);
            up::run(arguments).await.map(|()| Outcome::Done)
        }
        Verb::Demo(arguments) => {
            // What it makes happen on purpose it tells by itself: a warning in between would only confuse.
            logging::start("error", logging::Format::Text);
            demo::run(arguments).await.map(|()| Outcome::Done)
        }
        Verb::Apply(arguments) => apply::apply(&place, &out, arguments).await,
        Verb::Diff(files) => apply::diff(&place, &out, files).await,
        Verb::Get(arguments) => get::get(&place, &out, arguments).await,
        Verb::Describe(arguments) => describe::describe(&place, &out, arguments).await,
        Verb::Delete(arguments) => get::delete(&place, &out, arguments).await,
        Verb::Client(verb) => match verb {
            ClientVerb::Enroll(arguments) => enroll::enroll(&place, &out, arguments).await,
            ClientVerb::Accept(arguments) => client::accept(&place, &out, arguments).await,
            ClientVerb::Rotate(arguments) => client::rotate(&place, &out, arguments).await,
            ClientVerb::Keys(arguments) => client::keys(&place, &out, arguments).await,
            ClientVerb::Revoke(arguments) => client::revoke(&place, &out, arguments).await,
            ClientVerb::Posture(arguments) => posture::posture(&place, &out, arguments).await,
        },
        Verb::SignOut(arguments) => sign_out::sign_out(&place, &out, arguments).await,
        Verb::Attest(arguments) => attest::attest(&place, &out, arguments).await,
        Verb::Token(arguments) => call::token(&place, &out, arguments).await,
        Verb::Call(arguments) => call::call(&place, &out, arguments).await,
        Verb::Decisions(arguments) => decisions::decisions(&place, &out, arguments).await,
        Verb::Hold(verb) => hold::hold(&place, &out, verb).await,
        Verb::Vendor(verb) => vendor::vendor(&place, &out, verb).await,
        Verb::Import(verb) => import::import(&place, &out, verb).await,
        Verb::Questionnaire(verb) => questionnaire::questionnaire(&place, &out, verb).await,
        Verb::Explain(arguments) => explain::explain(&place, &out, arguments).await,
        Verb::Sever(arguments) => sever::sever(&place, &out, arguments).await,
        Verb::Restore(arguments) => restore::restore(&place, &out, arguments).await,
        Verb::Severances(watch) => restore::severances(&place, &out, watch).await,
        Verb::Receipt(arguments) => receipt::receipt(&place, &out, arguments).await,
        Verb::BreakGlass(verb) => break_glass::break_glass(&place, &out, verb).await,
        Verb::Enforcer(arguments) => enforcer::enforcer(arguments).await,
        Verb::Operator(verb) => operators::operator(&place, &out, verb).await,
        Verb::Erase(arguments) => operators::erase(&place, &out, arguments).await,
        Verb::New(new) => local::new(&out, new),
        Verb::Schema(arguments) => local::schema(&out, &arguments),
        Verb::Reasons(arguments) => local::reasons(&out, &arguments),
        Verb::Keys(verb) => keys::keys(&place, &out, verb).await,
        Verb::Certificate(verb) => certificates::certificate(&place, &out, verb).await,
        Verb::Tunnel(verb) => tunnels::tunnel(&place, &out, verb).await,
        Verb::Backup(verb) => backup::backup(&place, &out, verb).await,
        Verb::Ledger(verb) => ledger::ledger(&place, &out, verb).await,
        Verb::Metrics(arguments) => metrics::metrics(&place, &out, arguments).await,
        Verb::Findings(watch) => findings::findings(&place, &out, watch).await,
        Verb::Task(verb) => task::task(&place, &out, verb).await,
        Verb::Calendar(verb) => calendar::calendar(&place, &out, verb).await,
        Verb::Network(verb) => network::network(&place, &out, verb).await,
        Verb::Notify(verb) => notify::notify(&place, &out, verb).await,
        Verb::Source(verb) => source::source(&place, &out, verb).await,
        Verb::Screen(arguments) => screen::screen(&place, &out, arguments).await,
        Verb::Feed(verb) => feed::feed(&place, &out, verb).await,
        Verb::Origin(arguments) => feed::origin(&place, &out, arguments).await,
        Verb::Backtest(arguments) => backtest::backtest(&place, &out, arguments).await,
        Verb::Replay(arguments) => replay::replay(&place, &out, &arguments),
        Verb::Evidence(verb) => evidence::evidence(&place, &out, verb).await,
        Verb::Page(verb) => page::page(&place, &out, verb).await,
        Verb::Pack(arguments) => pack::pack(&place, &out, arguments).await,
        Verb::Incident(verb) => incident::incident(&place, &out, verb).await,
        Verb::Auditor(verb) => auditor::auditor(&place, &out, verb).await,
        Verb::Exercise(verb) => exercise::exercise(&place, &out, verb).await,
        Verb::Risk(verb) => risk::risk(&out, &verb),
        Verb::Reload => reload::reload(&place, &out).await,
        Verb::Doctor(arguments) => doctor::doctor(&place, &out, arguments).await,
        Verb::Completion(arguments) => local::completion(&out, &arguments),
        Verb::Version => local::version(&out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_folder_is_named_before_or_after_the_verb() {
        for line in ["portcullis --dir D get vendors", "portcullis get vendors --dir D"] {
            let parsed = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(parsed.globals.place.dir, Some(PathBuf::from("D")), "{line}");
        }
        let Verb::Up(up) = Cli::try_parse_from(["portcullis", "--dir", "D", "up"]).unwrap().verb else {
            panic!("not up")
        };
        assert_eq!(up.dir, PathBuf::from("D"));
    }

    #[test]
    fn what_is_understood_and_what_is_not() {
        let check = |line: &str, understood: bool| {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert_eq!(parsed.is_ok(), understood, "{line}: {:?}", parsed.err());
        };
        for line in [
            "portcullis up --dir D --listen-gate 127.0.0.1:0 --listen-control 127.0.0.1:0 -f A -f B",
            "portcullis apply -f A -f - --dry-run -o json",
            "portcullis --dir D get vendors --watch",
            "portcullis get Vendor acme -o yaml --server https://c:1",
            "portcullis delete route x --dry-run",
            "portcullis client enroll a --integration i --jwks F --cert G",
            "portcullis client enroll a --integration i --generate D --algorithm ES256",
            "portcullis token a --key F --scope x --scope y",
            "portcullis token a --cert F --cert-key G",
            "portcullis token revoke eyJ",
            "portcullis token revoke id --client a",
            "portcullis client enroll a --integration i --link --expires 24h --file F",
            "portcullis client enroll a --recover",
            "portcullis client accept https://g/oauth/enroll#a.b --out D",
            "portcullis client rotate a --key F --out D",
            "portcullis client keys a",
            "portcullis client revoke a --key T --reason leak",
            "portcullis sign-out vendor/acme --reason leak",
            "portcullis call GET /x --client a --key F -d @F -i",
            "portcullis decisions --vendor v --verdict deny --since 15m --follow",
            "portcullis decisions --since 30d --until 29d",
            "portcullis decisions files --limit 5",
            "portcullis decisions verify -o json",
            "portcullis decisions seal",
            "portcullis hold add vendor/acme --reason case",
            "portcullis hold lift vendor/acme --reason over",
            "portcullis hold list",
            "portcullis sever vendor/acme --reason leak",
            "portcullis sever vendor/acme --dry-run",
            "portcullis receipt 00000000-0000-0000-0000-000000000001",
            "portcullis break-glass seal safe",
            "portcullis enforcer --socket S --state D --group g --user u --vici V",
            "portcullis restore vendor/acme --confirm 00000000-0000-0000-0000-000000000001",
            "portcullis new integration --template push acme",
            "portcullis completion bash",
            "portcullis certificate list",
            "portcullis certificate issue acme-robot --use client --csr F",
            "portcullis certificate renew gate",
            "portcullis certificate revoke 4a1b --reason leak",
            "portcullis certificate crl clients",
            "portcullis tunnel list",
            "portcullis tunnel credentials acme-main --csr F --days 90",
            "portcullis tunnel render acme-main --with-secrets --out D --side vendor",
            "portcullis tunnel person add acme-people Jo --days 30",
            "portcullis tunnel person revoke acme-people Jo --reason left",
            "portcullis keys rotate --now",
            "portcullis keys withdraw KID --reason leak",
            // A thumbprint may begin with hyphens.
            "portcullis keys withdraw --f31OWkJyi2p --reason leak",
            "portcullis client revoke a --key -f31OWkJyi2p --reason leak",
            "portcullis token revoke --f31OWkJyi2p --client a",
            "portcullis doctor",
            "portcullis feed list --watch",
            "portcullis feed check F --holds tor --address 192.0.2.1",
            "portcullis feed refresh exits --accept",
            "portcullis origin 2001:db8::1",
            "portcullis metrics acme --window 24h --watch",
            "portcullis risk constants -o yaml",
            "portcullis evidence verify F --signature S --key K --key L --roots R --at 2026-06-01T00:00:00Z",
            "portcullis auditor add Redfern --key K --key L --root R",
            "portcullis auditor remove Redfern --reason over",
            "portcullis network show",
            "portcullis network render -o json",
            "portcullis network apply --off",
            "portcullis network apply --dry-run",
            "portcullis network diff",
            "portcullis reload --dir D",
            "portcullis replay --format cloudtrail A B --report F.html --assume fail -o json",
            "portcullis page list --all",
            "portcullis page ack 7k2m-9qxd",
            "portcullis pack --incident 3",
            "portcullis incident export 3 --rows",
            "portcullis pack acme --from 24h --to 2026-12-31T18:00:00Z --out F --rows --files --seal",
            "portcullis pack verify F --key example.com/l+1866dc86+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs -o json",
            "portcullis backtest --since 7d -f P -o json --client a --until 1d",
            "portcullis replay - --map client=user --map endpoint=channel --since 2015-09-12T00:00:00Z",
        ] {
            check(line, true);
        }
        for line in [
            "portcullis",
            "portcullis apply",
            "portcullis get",
            "portcullis get lamps",
            "portcullis get vendors -o xml",
            "portcullis sever vendor/acme",
            "portcullis receipt",
            "portcullis receipt --verify F",
            "portcullis sever acme --reason leak",
            "portcullis sever vendor/ --reason leak",
            "portcullis restore vendor/acme --confirm 7",
            "portcullis token a",
            "portcullis token revoke",
            "portcullis sign-out acme --reason leak",
            "portcullis sign-out vendor/acme",
            "portcullis client revoke a",
            "portcullis client enroll a --link",
            "portcullis client enroll a --integration i --recover",
            "portcullis client enroll a --integration i --link --jwks F",
            "portcullis client enroll a --integration i --link --expires 3",
            "portcullis call GET /x --client a",
            "portcullis client enroll a --integration i",
            "portcullis client enroll a --integration i --generate D --jwks F",
            "portcullis client enroll a --integration i --jwks F --algorithm ES256",
            "portcullis decisions --since yesterday",
            "portcullis explain 123",
            "portcullis hold add acme --reason case",
            "portcullis hold add vendor/acme",
            "portcullis metrics acme --window 2h",
            "portcullis backup create F --recipient age1x",
            "portcullis ledger prove -1",
            "portcullis demon",
            "portcullis replay",
            "portcullis replay A --format syslog",
            "portcullis replay A --assume perhaps",
            "portcullis certificate issue acme-robot",
            "portcullis certificate revoke 4a1b",
            "portcullis certificate crl servers",
            "portcullis tunnel render acme-main --side theirs",
            "portcullis tunnel person revoke acme-people Jo",
            "portcullis keys withdraw KID",
            "portcullis auditor add Redfern",
            "portcullis pack acme",
            "portcullis pack verify",
            "portcullis pack verify F --key x",
        ] {
            check(line, false);
        }
    }
}
