//! A directory with a store in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_ledger::leaf::Envelope;
use portcullis_ledger::note::{NoteSigner, NoteVerifier};
use portcullis_ledger::{sha256, tree};
use portcullis_store::conformance::{Opened, Tamper, World};
use portcullis_store::{BoxFuture, SqliteOptions, SqliteStore};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

pub const ORIGIN: &str = "ledger.example";

pub fn signer() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN, &[7; 32]).unwrap()
}

pub fn options(directory: &Path) -> SqliteOptions {
    SqliteOptions {
        ledger: directory.join("ledger.sqlite"),
        subject_keys: directory.join("subject_keys.sqlite"),
        origin: ORIGIN.to_owned(),
        signer: signer(),
    }
}

pub struct SqliteWorld {
    directory: tempfile::TempDir,
}

impl SqliteWorld {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn options(&self) -> SqliteOptions {
        options(self.directory())
    }

    pub fn ledger(&self) -> PathBuf {
        self.options().ledger
    }

    /// A connection to the ledger beside the store's.
    pub async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.ledger());
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    pub async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The keys of all subjects, in the order of the subjects.
    pub async fn keys(&self) -> Vec<Vec<u8>> {
        let options = SqliteConnectOptions::new().filename(self.options().subject_keys).immutable(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query_scalar("SELECT key FROM subject_keys ORDER BY subject")
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    async fn flip(&self, column: &str, sequence: u64, byte: usize) {
        let mut connection = self.connect().await;
        let sql = format!("SELECT {column} FROM events WHERE sequence = {sequence}");
        let mut bytes: Vec<u8> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        bytes[byte] ^= 1;
        let sql = format!("UPDATE events SET {column} = ? WHERE sequence = {sequence}");
        sqlx::query(AssertSqlSafe(sql)).bind(bytes).execute(&mut connection).await.unwrap();
    }

    async fn rewrite(&self, sequence: u64) {
        let mut connection = self.connect().await;
        let sql = format!("SELECT envelope FROM events WHERE sequence = {sequence}");
        let envelope: Vec<u8> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
        let payload = br#"{"number":"forged"}"#.as_slice();
        let envelope = Envelope { payload_sha256: sha256(payload), ..Envelope::parse(&envelope).unwrap() };
        let envelope = envelope.to_bytes().unwrap();
        let leaf_hash = tree::leaf_hash(&envelope);
        let sql =
            format!("UPDATE events SET payload = ?, envelope = ?, leaf_hash = ? WHERE sequence = {sequence}");
        sqlx::query(AssertSqlSafe(sql))
            .bind(payload)
            .bind(envelope)
            .bind(leaf_hash.as_slice())
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

impl World for SqliteWorld {
    fn open(&self) -> BoxFuture<'_, Opened> {
        Box::pin(async {
            let store = Arc::new(SqliteStore::open(self.options()).await.unwrap());
            let (counted, closed) = (Arc::clone(&store), Arc::clone(&store));
            Opened {
                store,
                commits: Box::new(move || counted.commits()),
                close: Box::new(move || Box::pin(async move { closed.close().await })),
            }
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.directory()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn tamper(&self, change: Tamper) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.execute("DROP TRIGGER events_are_never_updated; DROP TRIGGER events_are_never_deleted")
                .await;
            match change {
                Tamper::Payload { sequence, byte } => self.flip("payload", sequence, byte).await,
                Tamper::Envelope { sequence, byte } => self.flip("envelope", sequence, byte).await,
                Tamper::LeafHash { sequence, byte } => self.flip("leaf_hash", sequence, byte).await,
                Tamper::Rewrite { sequence } => self.rewrite(sequence).await,
                Tamper::Delete { sequence } => {
                    self.execute(&format!("DELETE FROM events WHERE sequence = {sequence}")).await;
                }
                Tamper::Swap { one, other } => {
                    let sql = format!(
                        "UPDATE events SET sequence = -1 WHERE sequence = {one};
                         UPDATE events SET sequence = {one} WHERE sequence = {other};
                         UPDATE events SET sequence = {other} WHERE sequence = -1;"
                    );
                    self.execute(&sql).await;
                }
                Tamper::Surplus => {
                    let sql = "INSERT INTO events SELECT sequence + 1, envelope, payload, leaf_hash
                               FROM events ORDER BY sequence DESC LIMIT 1";
                    self.execute(sql).await;
                }
            }
        })
    }

    fn verifier(&self) -> NoteVerifier {
        signer().verifier()
    }
}
