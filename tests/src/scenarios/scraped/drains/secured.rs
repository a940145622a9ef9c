//! What is needed to be scraped over TLS and for a password: an authority, a certificate, the daemon's configuration.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::super::METRICS;
use crate::process;
use crate::world::World;

const USER: &str = "prometheus";
const PASSWORD: &str = "scrape me";
/// Of the password, as `htpasswd -nB` makes it.
const HASH: &str = "$2y$05$vvGF5.OnrxeDl7hd3x4eNuib0euHOmIVyn9yAP/YmqEKee0TVsEA6";
/// Short, so that a drain ends soon after its traffic.
const POLICY: &str = "\
[policy]
udp_quiet_secs = 5
tcp_quiet_secs = 5
closing_quiet_secs = 5
[failure]
remove_after_secs = 3
confirmations = 1
hold_down_secs = 3
";

pub(super) struct Secured {
    folder: TempDir,
    authority: Issuer<'static, KeyPair>,
}

impl Secured {
    /// Writes everything, with a first certificate.
    pub(super) fn new() -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder for a certificate")?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        // By default a certificate and its issuer have one name, and OpenSSL takes the first for self-signed.
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of the lab");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key)?.pem())?;
        fs::write(folder.path().join("password"), PASSWORD)?;
        let authority = Issuer::new(params, key);
        let secured = Self { folder, authority };
        secured.certify()?;
        secured.configure("")?;
        Ok(secured)
    }

    /// Another certificate, under the same name.
    pub(super) fn certify(&self) -> Result<()> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &self.authority)?;
        fs::write(self.path("web.pem"), certificate.pem())?;
        fs::write(self.path("web.key"), key.serialize_pem())?;
        Ok(())
    }

    /// Writes the configuration, with these lines on top.
    pub(super) fn configure(&self, first: &str) -> Result<()> {
        let text = format!(
            "{first}\n{POLICY}[web]\nlisten = \"{METRICS}\"\ncertificate = \"{}\"\nkey = \"{}\"\n\
             [web.users]\n{USER} = \"{HASH}\"\n",
            self.path("web.pem").display(),
            self.path("web.key").display()
        );
        fs::write(self.path("config.toml"), text).context("cannot write a configuration")
    }

    pub(super) fn config(&self) -> String {
        self.path("config.toml").display().to_string()
    }

    /// The lines of Prometheus' job.
    pub(super) fn job(&self) -> String {
        format!(
            "  scheme: https\n  tls_config: {{ca_file: {}}}\n  basic_auth: {{username: {USER}, password_file: {}}}\n",
            self.path("ca.pem").display(),
            self.path("password").display()
        )
    }

    /// The page as `curl` gets it, in the text format.
    pub(super) fn page(&self, world: &World) -> Result<String> {
        let url = format!("https://{METRICS}/metrics");
        let director = world.director().machine();
        let curl = |more: &[&str]| {
            let mut command = Command::new("curl");
            command
                .args(["--silent", "--show-error", "--cacert"])
                .arg(self.path("ca.pem"));
            command.args(more).arg(&url);
            director.within(|| process::run(&mut command, ""))
        };
        let refused = curl(&["--write-out", "%{http_code}"])?;
        ensure!(refused.ends_with("401"), "without a password: {refused}");
        curl(&["--fail", "--user", &format!("{USER}:{PASSWORD}")])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
