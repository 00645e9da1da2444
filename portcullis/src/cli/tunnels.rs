//! `tunnel`: how tunnels stand, their credentials, their people, and the files of both sides.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use portcullis_api::tunnels::{
    TunnelCredentialsRequest, TunnelFile, TunnelMeasured, TunnelPersonRequest, TunnelPersonRevokeRequest,
    TunnelRenderAnswer, TunnelRenderRequest, TunnelView, TunnelsView,
};

use super::output::{Output, Paint, Style};
use super::server::{Server, read};
use super::table::{Cell, Table};
use super::{Outcome, Place, examples, time};
use crate::settings::write_whole;

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the tunnels: whether each is open, why not, and what flows
    #[command(after_help = examples::tunnels::LIST)]
    List,
    /// Show a tunnel with its credentials and its people
    #[command(after_help = examples::tunnels::SHOW)]
    Show {
        /// Which
        name: String,
    },
    /// Issue a tunnel's credentials anew; those before are void from then on
    #[command(after_help = examples::tunnels::CREDENTIALS)]
    Credentials(CredentialsArguments),
    /// Write the configuration of our side, and a ready one for the vendor's
    #[command(after_help = examples::tunnels::RENDER)]
    Render(RenderArguments),
    /// Let the vendor's people in, one certificate each, and shut them out
    #[command(subcommand)]
    Person(PersonVerb),
}

#[derive(clap::Subcommand)]
pub(super) enum PersonVerb {
    /// Give a person a certificate and an address of their own
    #[command(after_help = examples::tunnels::PERSON_ADD)]
    Add {
        /// The tunnel, one for people
        tunnel: String,
        /// What others call the person
        person: String,
        #[command(flatten)]
        certificate: CertificateArguments,
    },
    /// List those who may come in, and those who were shut out
    #[command(after_help = examples::tunnels::PERSON_LIST)]
    List {
        /// The tunnel
        tunnel: String,
    },
    /// Shut a person out at once
    #[command(after_help = examples::tunnels::PERSON_REVOKE)]
    Revoke {
        /// The tunnel
        tunnel: String,
        /// Name or id
        person: String,
        /// Why, for those who read it later
        #[arg(long)]
        reason: String,
    },
}

#[derive(clap::Args)]
pub(super) struct CredentialsArguments {
    /// Which tunnel
    name: String,
    #[command(flatten)]
    certificate: CertificateArguments,
}

#[derive(clap::Args)]
pub(super) struct CertificateArguments {
    /// The peer's request (PKCS#10, PEM), of which the key alone counts; without it the key is made here
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// How long certificates are good; `keys.certificate_days` of the settings without it
    #[arg(long)]
    days: Option<u32>,
}

#[derive(clap::Args)]
pub(super) struct RenderArguments {
    /// Which tunnel
    name: String,
    /// Whose, of a tunnel for people: name or id
    #[arg(long)]
    person: Option<String>,
    /// With the secrets, which are shown once
    #[arg(long)]
    with_secrets: bool,
    /// Only this side's
    #[arg(long, value_parser = ["ours", "vendor"])]
    side: Option<String>,
    /// Write the files below this folder, `ours` and `vendor`
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(super) async fn tunnel(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::List => {
            let tunnels: TunnelsView = server.get(&["v1", "tunnels"]).await?;
            out.show(&tunnels, |_| listed(out, &tunnels))?;
        }
        Verb::Show { name } => {
            let tunnel: TunnelView = server.get(&["v1", "tunnels", &name]).await?;
            out.show(&tunnel, |paint| shown(out, &tunnel, paint))?;
        }
        Verb::Credentials(CredentialsArguments { name, certificate }) => {
            let request = TunnelCredentialsRequest { request: csr(certificate.csr)?, days: certificate.days };
            let (_, tunnel): (_, TunnelView) =
                server.post(&["v1", "tunnels", &name, "credentials"], &request).await?;
            out.show(&tunnel, |paint| issued(&tunnel, paint))?;
        }
        Verb::Render(arguments) => render(&server, out, arguments).await?,
        Verb::Person(PersonVerb::Add { tunnel, person, certificate }) => {
            let CertificateArguments { csr: file, days } = certificate;
            let request = TunnelPersonRequest { name: person.clone(), request: csr(file)?, days };
            let (_, view): (_, TunnelView) =
                server.post(&["v1", "tunnels", &tunnel, "people"], &request).await?;
            out.show(&view, |_| added(&view, &person))?;
        }
        Verb::Person(PersonVerb::List { tunnel }) => {
            let view: TunnelView = server.get(&["v1", "tunnels", &tunnel]).await?;
            out.show(&view.people, |_| people(out, &view))?;
        }
        Verb::Person(PersonVerb::Revoke { tunnel, person, reason }) => {
            let request = TunnelPersonRevokeRequest { person: person.clone(), reason };
            let (_, view): (_, TunnelView) =
                server.post(&["v1", "tunnels", &tunnel, "people", "revoke"], &request).await?;
            out.show(&view, |paint| {
                format!("{} `{person}` at tunnel `{tunnel}`\n", paint.paint("shut out", Style::Bad))
            })?;
        }
    }
    Ok(Outcome::Done)
}

fn csr(file: Option<PathBuf>) -> Result<Option<String>> {
    file.map(|path| Ok(String::from_utf8(read(&path)?)?)).transpose()
}

async fn render(server: &Server, out: &Output, arguments: RenderArguments) -> Result<()> {
    let RenderArguments { name, person, with_secrets, side, out: folder } = arguments;
    // What is shown once must not be lost because it can't be written.
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
    }
    let request = TunnelRenderRequest { person, with_secrets };
    let (_, answer): (_, TunnelRenderAnswer) =
        server.post(&["v1", "tunnels", &name, "render"], &request).await?;
    let is_asked = |file: &TunnelFile| side.as_ref().is_none_or(|side| *side == file.side);
    let answer = TunnelRenderAnswer { files: answer.files.into_iter().filter(is_asked).collect() };
    let Some(folder) = folder else {
        return out.show(&answer, |_| {
            let texts =
                answer.files.iter().map(|file| format!("### {}/{}\n{}\n", file.side, file.path, file.text));
            texts.collect()
        });
    };
    let mut written = Vec::new();
    for file in &answer.files {
        let path = below(&folder, file)?;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("can't make `{}`", parent.display()))?;
        }
        write_whole(&path, file.text.as_bytes(), if file.secret { 0o600 } else { 0o644 })?;
        written.push(path.display().to_string());
    }
    out.show(&written, |_| written.iter().map(|path| format!("wrote  {path}\n")).collect())
}

/// A server's word is no way out of the folder.
fn below(folder: &Path, file: &TunnelFile) -> Result<PathBuf> {
    let path = Path::new(&file.side).join(&file.path);
    if path.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        bail!("`{}` is no path below a folder", path.display());
    }
    Ok(folder.join(path))
}

fn flow(measured: Option<&TunnelMeasured>) -> [String; 3] {
    let Some(measured) = measured else { return ["".into(), "".into(), "".into()] };
    let age = measured.handshake_age_seconds.map(|seconds| format!("{seconds} s ago")).unwrap_or_default();
    let state = if measured.up { "up" } else { "down" };
    [state.to_owned(), format!("{} / {}", measured.bytes_in, measured.bytes_out), age]
}

fn standing(open: bool, closed_by: Option<&str>) -> Cell {
    match (open, closed_by) {
        (true, _) => Cell::styled("open", Style::Good),
        (false, Some("credentials") | None) => "no credentials".into(),
        (false, Some("severance")) => Cell::styled("severed", Style::Bad),
        (false, Some(why)) => format!("closed by {why}").into(),
    }
}

fn listed(out: &Output, tunnels: &TunnelsView) -> String {
    let headings = ["NAME", "~VENDOR", "KIND", "STANDING", "LINK", "BYTES IN / OUT", "HANDSHAKE"];
    let mut table = Table::new(headings);
    for tunnel in &tunnels.tunnels {
        let [link, bytes, handshake] = flow(tunnel.measured.as_ref());
        let people = tunnel.people.iter().filter(|person| person.open).count();
        let stands = match (tunnel.people.is_empty(), tunnel.open) {
            (false, true) => format!("open to {people} people").into(),
            _ => standing(tunnel.open, tunnel.closed_by.as_deref()),
        };
        table.row([
            tunnel.name.clone().into(),
            tunnel.vendor.clone().into(),
            tunnel.kind.clone().into(),
            stands,
            link.into(),
            bytes.into(),
            handshake.into(),
        ]);
    }
    out.table(&table, "no tunnels")
}

fn shown(out: &Output, tunnel: &TunnelView, paint: Paint) -> String {
    let mut text = format!(
        "tunnel       {}\nvendor       {}\nintegration  {}\nkind         {}\nlocal        {}\nremote       {}\n",
        tunnel.name,
        tunnel.vendor,
        tunnel.integration,
        tunnel.kind,
        tunnel.local_networks.join(", "),
        tunnel.remote_networks.join(", "),
    );
    let stands =
        if tunnel.open { paint.paint("open", Style::Good) } else { paint.paint("closed", Style::Bad) };
    text.push_str(&format!("standing     {stands}"));
    if let Some(why) = &tunnel.why {
        text.push_str(&format!(": {why}"));
    }
    text.push('\n');
    if let Some(credentials) = &tunnel.credentials {
        let ends = credentials.not_after.map(|ends| format!(", good until {}", time::instant(ends)));
        text.push_str(&format!(
            "credentials  issued {}{}{}{}\n",
            time::instant(credentials.issued_at),
            ends.unwrap_or_default(),
            if credentials.shown { ", shown" } else { ", not shown yet" },
            if credentials.void { ", void" } else { "" },
        ));
        for print in &credentials.fingerprints {
            text.push_str(&format!("             {} {}\n", print.of.as_str(), print.sha256));
        }
    }
    if let Some(measured) = &tunnel.measured {
        let [link, bytes, handshake] = flow(Some(measured));
        text.push_str(&format!("link         {link}, bytes in / out {bytes}, handshake {handshake}\n"));
    }
    if !tunnel.people.is_empty() {
        text.push('\n');
        text.push_str(&people(out, tunnel));
    }
    text
}

fn people(out: &Output, tunnel: &TunnelView) -> String {
    let mut table = Table::new(["~PERSON", "ADDRESS", "STANDING", "ENDS", "LINK", "BYTES IN / OUT", "ID"]);
    for person in &tunnel.people {
        let [link, bytes, _] = flow(person.measured.as_ref());
        let stands = match (person.revoked_at, person.open) {
            (Some(at), _) => Cell::styled(format!("shut out {}", time::instant(at)), Style::Bad),
            (None, true) => Cell::styled("open", Style::Good),
            (None, false) => "closed".into(),
        };
        let ends = person.credentials.as_ref().and_then(|credentials| credentials.not_after);
        table.row([
            person.name.clone().into(),
            person.address.to_string().into(),
            stands,
            ends.map(time::instant).unwrap_or_default().into(),
            link.into(),
            bytes.into(),
            person.id.clone().into(),
        ]);
    }
    out.table(&table, "nobody")
}

fn issued(tunnel: &TunnelView, paint: Paint) -> String {
    let stands = if tunnel.open { paint.paint("open", Style::Good) } else { "still closed".to_owned() };
    let mut text = format!("credentials of tunnel `{}` were issued; it is {stands}", tunnel.name);
    text.push_str(&tunnel.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default());
    text.push_str(&format!(
        "\nnext   `portcullis tunnel render {} --with-secrets --out FOLDER`, once, and hand `FOLDER/vendor` to the vendor\n",
        tunnel.name
    ));
    text
}

fn added(tunnel: &TunnelView, person: &str) -> String {
    let found = tunnel.people.iter().find(|found| found.name == person && found.revoked_at.is_none());
    let address = found.map(|found| format!(", at {}", found.address)).unwrap_or_default();
    format!(
        "`{person}` may come in through tunnel `{}`{address}\nnext   `portcullis tunnel render {} --person '{person}' --with-secrets --out FOLDER`, once\n",
        tunnel.name, tunnel.name
    )
}
