//! `certificate`: what the built-in authority has signed.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use portcullis_api::certificates::{
    CertificateKind, CertificatesView, IssueAnswer, IssueRequest, RenewRequest, RevokeCertificateAnswer,
    RevokeCertificateRequest,
};
use portcullis_api::reload::ReloadAnswer;
use portcullis_domain::event::CertificateUse;

use super::output::{Output, Paint, Style};
use super::server::{Server, read};
use super::table::Table;
use super::{Outcome, Place, examples, time};
use crate::settings::write_whole;

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the authority's certificates, the servers', and those that were issued
    #[command(after_help = examples::CERTIFICATE_LIST)]
    List,
    /// Issue a certificate to a vendor's machine, or to the gate towards upstreams
    #[command(after_help = examples::CERTIFICATE_ISSUE)]
    Issue(IssueArguments),
    /// Make the certificate of the gate or of control anew, and put it to use
    #[command(after_help = examples::CERTIFICATE_RENEW)]
    Renew {
        /// Whose
        #[arg(value_name = "SERVER", value_parser = ["gate", "control"])]
        name: String,
    },
    /// Refuse a certificate that was issued, from now on
    #[command(after_help = examples::CERTIFICATE_REVOKE)]
    Revoke {
        /// Its serial number, as `certificate list` names it
        serial: String,
        /// Why, for those who read it later
        #[arg(long)]
        reason: String,
    },
    /// Print the list of revoked certificates of a use (RFC 5280), as PEM
    #[command(after_help = examples::CERTIFICATE_CRL)]
    Crl {
        /// What the certificates are for
        #[arg(value_name = "USE", value_parser = ["clients", "upstreams"])]
        usage: String,
    },
}

#[derive(clap::Args)]
pub(super) struct IssueArguments {
    /// The client, or the identity that upstreams name
    name: String,
    /// What the certificate is for
    #[arg(long = "use", value_name = "USE", value_parser = ["client", "upstream"])]
    usage: String,
    /// The machine's request (PKCS#10, PEM); of it the key alone counts
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    csr: Option<PathBuf>,
    /// Make the machine's key too, and write NAME.key and NAME.crt to this folder
    #[arg(long, value_name = "FOLDER")]
    generate: Option<PathBuf>,
    /// Write the certificate to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How long it is good; `keys.certificate_days` of the settings without it
    #[arg(long)]
    days: Option<u32>,
}

pub(super) async fn certificate(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::List => {
            let certificates: CertificatesView = server.get(&["v1", "certificates"]).await?;
            out.show(&certificates, |_| listed(out, &certificates))?;
        }
        Verb::Issue(arguments) => issue(&server, out, arguments).await?,
        Verb::Renew { name } => {
            let request = RenewRequest { server: name };
            let (_, answer): (_, ReloadAnswer) =
                server.post(&["v1", "certificates", "renew"], &request).await?;
            out.show(&answer, |_| super::reload::told(&answer))?;
        }
        Verb::Revoke { serial, reason } => {
            let request = RevokeCertificateRequest { serial, reason };
            let (_, answer): (_, RevokeCertificateAnswer) =
                server.post(&["v1", "certificates", "revoke"], &request).await?;
            out.show(&answer, |paint| revoked(&answer, paint))?;
        }
        Verb::Crl { usage } => out.text(&server.text(&["v1", "certificates", "crl", &usage]).await?)?,
    }
    Ok(Outcome::Done)
}

async fn issue(server: &Server, out: &Output, arguments: IssueArguments) -> Result<()> {
    let IssueArguments { name, usage, csr, generate, out: file, days } = arguments;
    let usage = if usage == "client" { CertificateUse::Clients } else { CertificateUse::Upstreams };
    let request = csr.map(|path| Ok::<_, anyhow::Error>(String::from_utf8(read(&path)?)?)).transpose()?;
    if usage == CertificateUse::Clients && request.is_none() && generate.is_none() {
        anyhow::bail!("whose key is it for?\nhint: `--csr FILE` of the machine, or `--generate FOLDER`");
    }
    let order = IssueRequest { usage, name: name.clone(), request, days };
    let (_, answer): (_, IssueAnswer) = server.post(&["v1", "certificates"], &order).await?;
    let mut places = Vec::new();
    if let (Some(folder), Some(key)) = (&generate, &answer.key) {
        std::fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        let path = folder.join(format!("{name}.key"));
        write_whole(&path, key.as_bytes(), 0o600)?;
        places.push(path);
        let path = folder.join(format!("{name}.crt"));
        write_whole(&path, answer.chain.as_bytes(), 0o644)?;
        places.push(path);
    }
    if let Some(path) = file {
        write_whole(&path, answer.chain.as_bytes(), 0o644)?;
        places.push(path);
    }
    // The key is in its file now; nobody wants it in a terminal's memory.
    let shown = IssueAnswer { key: None, ..answer };
    out.show(&shown, |_| issued(&shown, &places))
}

fn issued(answer: &IssueAnswer, places: &[PathBuf]) -> String {
    let certificate = &answer.certificate;
    let mut text = format!(
        "issued to `{}`, serial {}, good until {}\n",
        certificate.name,
        certificate.serial,
        time::instant(certificate.not_after)
    );
    for place in places {
        text.push_str(&format!("wrote  {}\n", place.display()));
    }
    if let Some(reloaded) = &answer.reloaded {
        text.push_str(&super::reload::told(reloaded));
    } else if places.is_empty() {
        text.push_str(&answer.chain);
    }
    if certificate.kind == CertificateKind::Client {
        let file = places.last().map_or("FILE".to_owned(), |place| place.display().to_string());
        text.push_str(&format!(
            "next   `portcullis client enroll {} --integration INTEGRATION --cert {file}`, once: later ones of the same name are taken too\n",
            certificate.name
        ));
    }
    text
}

fn listed(out: &Output, certificates: &CertificatesView) -> String {
    let mut table = Table::new(["KIND", "NAME", "ENDS", "SERIAL", "NOTE"]);
    for certificate in &certificates.certificates {
        let note = match (certificate.revoked_at, certificate.external) {
            (Some(at), _) => format!("revoked {}", time::instant(at)),
            (None, true) => "brought from outside".to_owned(),
            (None, false) => String::new(),
        };
        table.row([
            certificate.kind.as_str().into(),
            certificate.name.clone().into(),
            time::instant(certificate.not_after).into(),
            certificate.serial.clone().into(),
            note.into(),
        ]);
    }
    out.table(&table, "no certificates")
}

fn revoked(answer: &RevokeCertificateAnswer, paint: Paint) -> String {
    let certificate = &answer.certificate;
    let mut text =
        format!("{} {} of `{}`\n", paint.paint("revoked", Style::Bad), certificate.serial, certificate.name);
    match &answer.receipt {
        Some(receipt) => {
            for gate in &receipt.gates {
                text.push_str(&format!(
                    "       at `{}`: refused after {}, {} connections reset\n",
                    gate.gate,
                    time::milliseconds(gate.took_us),
                    gate.connections.len()
                ));
            }
        }
        None => text.push_str("       it stands in `portcullis certificate crl`\n"),
    }
    text
}
