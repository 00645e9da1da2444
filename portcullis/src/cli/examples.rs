//! What stands under the help of each verb: lines that can be typed as they are. A test reads them.

mod packs;
pub(super) mod tunnels;

pub(super) use packs::{INCIDENT_EXPORT, PACK, PACK_VERIFY, PAGE_ACK, PAGE_LIST, PAGE_TRY};

pub(super) const ABOUT: &str = "\
One gate and one book between a company and its vendors

Vendors' machines call your APIs through the gate, with tokens that are bound to their keys. The
ledger holds everything that changes what the gate lets through. One command closes every path of
a vendor.";

pub(super) const PORTCULLIS: &str = "\
Examples:
  portcullis demo                               see the whole of it work, in under a minute
  portcullis up --dir data                      start an installation, and leave it running
  portcullis new integration acme > acme.yaml   manifests to begin with; edit them
  portcullis apply -f acme.yaml                 declare what they say
  portcullis decisions --follow                 watch who passes and who doesn't
  portcullis sever vendor/acme --reason leak    close every path of a vendor, now

Environment:
  PORTCULLIS_DIR     the data folder, as `--dir` names it
  PORTCULLIS_TOKEN   an operator's token; without it, `admin.token` of the data folder
  NO_COLOR           no colours

Exit status: 0 done, 1 refused or failed, 2 not understood";

pub(super) const UP: &str = "\
Examples:
  portcullis up
  portcullis up --dir data --listen-gate 0.0.0.0:443 --public-url https://gate.example.com
  portcullis up --dir data -f manifests/vendors.yaml

When it is ready it prints where it listens, and writes `endpoints.json` into its folder.
Ctrl-C lets requests under way end, and stops. SIGHUP reads the certificates anew.";

pub(super) const DEMO: &str = "\
Examples:
  portcullis demo
  portcullis demo --exit";

pub(super) const IMPORT_VENDORS: &str = "\
Examples:
  portcullis import vendors vendors.xlsx                                show what would happen
  portcullis import vendors vendors.xlsx --dates dmy --map legal_name=Firm --rejects left.csv
  portcullis import vendors vendors.xlsx --dates dmy --apply --rejects left.csv
  portcullis import vendors left.csv --apply                            the rest, once it is mended

Columns are found by their headers in English, German, French and Spanish, and shown. A row is taken where
nothing is wrong with it and nobody like it is known. Importing a file again takes nothing twice.";

pub(super) const QUESTIONNAIRE_SHOW: &str = "\
Examples:
  portcullis questionnaire show
  portcullis questionnaire show own.yaml -o json";

pub(super) const QUESTIONNAIRE_NEW: &str = "\
Examples:
  portcullis questionnaire new > own.yaml                      take questions out, put your own in
  portcullis questionnaire new --sheet > for-acme.csv          send this to the vendor
  portcullis questionnaire new --sheet --questionnaire own.yaml";

pub(super) const QUESTIONNAIRE_CHECK: &str = "\
Examples:
  portcullis questionnaire check own.yaml
  portcullis questionnaire check from-acme.csv
  portcullis questionnaire check caiq.xlsx --sheet CAIQ --map answer=Response";

pub(super) const QUESTIONNAIRE_ANSWER: &str = "\
Examples:
  portcullis questionnaire answer acme from-acme.csv --dry-run
  portcullis questionnaire answer acme from-acme.csv --issued 2026-11-02
  portcullis questionnaire answer acme from-acme.csv --evidence VUL-3=0190b5e2-0000-7000-8000-000000000001

What isn't answered is unknown: neither yes nor no. `N/A` needs a comment that says why.";

pub(super) const APPLY: &str = "\
Examples:
  portcullis apply -f acme.yaml --dry-run
  portcullis apply -f acme.yaml -f routes/
  portcullis get vendor acme -o yaml | portcullis apply -f -";

pub(super) const DIFF: &str = "\
Examples:
  portcullis diff -f acme.yaml";

pub(super) const BACKTEST: &str = "\
Examples:
  portcullis backtest                                    check that every score is what its facts give
  portcullis backtest --since 7d -f stricter.yaml        what would these policies have changed?
  portcullis backtest --since 24h --client acme-1 -o json

Reads the decision log in the data folder, also beside a running server, and changes nothing.";

pub(super) const REPLAY: &str = "\
Examples:
  portcullis replay --format cloudtrail CloudTrail/ --report cloudtrail.html
  portcullis replay access.log access.log.1.gz --client-by user
  portcullis replay audit.log --client system:serviceaccount -o json
  portcullis replay edits.jsonl --map client=user --map endpoint=channel
  portcullis replay access.log --origin portcullis-data/intel

No server is needed, and nothing is changed. Formats: AWS CloudTrail, Kubernetes audit, access logs of
nginx and Apache, and JSON lines of your own.";

pub(super) const GET: &str = "\
Examples:
  portcullis get vendors
  portcullis get clients --watch
  portcullis get integration acme -o yaml";

pub(super) const DESCRIBE: &str = "\
Examples:
  portcullis describe vendor acme
  portcullis describe client acme-1 -o json";

pub(super) const DELETE: &str = "\
Examples:
  portcullis delete client acme-1 --dry-run
  portcullis delete client acme-1";

pub(super) const ENROLL: &str = "\
Examples:
  portcullis client enroll acme-1 --integration acme --jwks acme-1.jwks.json
  portcullis client enroll acme-1 --integration acme --cert acme-1.crt
  portcullis client enroll acme-1 --integration acme --generate keys
  portcullis client enroll acme-1 --integration acme --link --expires 4h
  portcullis client enroll acme-1 --recover --file acme-1.link";

pub(super) const ACCEPT: &str = "\
Examples:
  portcullis client accept 'https://gate.example.com/oauth/enroll#acme-1.CODE' --out keys
  portcullis client accept acme-1.link --out keys

It may be given again when the answer was lost: the key in the folder is the one that counts.";

pub(super) const ROTATE: &str = "\
Examples:
  portcullis client rotate acme-1 --key keys/acme-1.pem --out keys
  portcullis client rotate acme-1 --key keys/acme-1.pem --out keys --issuer https://gate.example.com

It may be given again when the answer was lost. One machine rotates: two would look like a theft.";

pub(super) const KEYS: &str = "\
Examples:
  portcullis client keys acme-1";

pub(super) const CLIENT_REVOKE: &str = "\
Examples:
  portcullis client revoke acme-1 --reason 'laptop stolen'
  portcullis client revoke acme-1 --key NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --reason 'key in a log'

Nothing opens such a key again. `portcullis client enroll NAME --recover` gives the client another way in.";

pub(super) const CLIENT_POSTURE: &str = "\
Examples:
  portcullis client posture acme-1
  portcullis client posture acme-1 failing --reason 'malware found'
  portcullis client posture acme-1 good --for 24h --reason 'looked at by the device management'
  portcullis client posture acme-1 none --reason 'the machine is clean again'

Every gate knows it when the command returns. `failing` holds until another word; the machine's own word doesn't lift it.";

pub(super) const ATTEST: &str = "\
Examples:
  portcullis attest acme-1 --key acme-1.pem --print
  portcullis attest acme-1 --key acme-1.pem --gate https://gate.example --program /usr/local/bin/agent
  portcullis attest acme-1 --key acme-1.pem --gate https://gate.example --every 1h

It reads what any user may read; run as root it also knows the firewall. What it can't tell is said to be unknown.";

pub(super) const SIGN_OUT: &str = "\
Examples:
  portcullis sign-out vendor/acme --reason 'tokens in a log'
  portcullis sign-out client/acme-1 --reason 'tokens in a log'";

pub(super) const TOKEN_REVOKE: &str = "\
Examples:
  portcullis token revoke eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiJ4In0.c2ln
  portcullis token revoke 3gP1dX5lT2a --client acme-1";

pub(super) const TOKEN: &str = "\
Examples:
  portcullis token acme-1 --key keys/acme-1.pem
  portcullis token acme-1 --cert acme-1.crt --key acme-1.key -o json";

pub(super) const CALL: &str = "\
Examples:
  portcullis call GET /acme/parcels --client acme-1 --key keys/acme-1.pem
  portcullis call POST /acme/parcels --client acme-1 --key keys/acme-1.pem -d @parcel.json -i";

pub(super) const DECISIONS: &str = "\
Examples:
  portcullis decisions --vendor acme --since 1h
  portcullis decisions --verdict deny --follow
  portcullis decisions --reason records_cut -o json
  portcullis decisions --vendor acme --since 30d --until 29d";

pub(super) const DECISIONS_FILES: &str = "\
Examples:
  portcullis decisions files
  portcullis decisions files -o json";

pub(super) const DECISIONS_VERIFY: &str = "\
Examples:
  portcullis decisions verify
  portcullis decisions verify --acknowledge-missing";

pub(super) const DECISIONS_VERDICT: &str = "\
Examples:
  portcullis decisions verdict 01M7Q5CQKV0W3GE1R70W3GE1R7 benign --reason 'their month end'
  portcullis decisions verdict 01M7Q5CQKV0W3GE1R70W3GE1R7 malicious --reason 'nobody of theirs called'
  portcullis decisions verdict 01M7Q5CQKV0W3GE1R70W3GE1R7 --undo --reason 'the wrong one'";

pub(super) const DECISIONS_SEAL: &str = "\
Examples:
  portcullis decisions seal";

pub(super) const HOLD: &str = "\
Examples:
  portcullis hold add vendor/acme --reason 'a case in court'
  portcullis hold list
  portcullis hold lift vendor/acme --reason 'the case is over'";

pub(super) const VENDOR_LIST: &str = "\
Examples:
  portcullis vendor list
  portcullis vendor list --access blocked --access held
  portcullis vendor list --watch";

pub(super) const VENDOR_SHOW: &str = "\
Examples:
  portcullis vendor show acme
  portcullis vendor show acme -o json";

pub(super) const VENDOR_ASSESS: &str = "\
Examples:
  portcullis vendor assess acme
  portcullis vendor assess acme resilience --owner jo --due 2027-01-31 --start
  portcullis vendor assess acme entity-check contract --approve --reason 'the extract and the contract were read'
  portcullis vendor assess acme all --approve --reason 'looked at the papers'";

pub(super) const VENDOR_VOUCH: &str = "\
Examples:
  portcullis vendor vouch acme --standing active --officer 'Jo Doe, director'
  portcullis vendor vouch acme --legal-name 'Acme Ltd' --jurisdiction GB --registry-number 08155555 --standing active";

pub(super) const VENDOR_CHECK: &str = "\
Examples:
  portcullis vendor check acme --gleif 529900T8BM49AURSDO55.json
  portcullis vendor check acme --registry 08155555.json --officers 08155555-officers.json

`--gleif` reads an answer of GLEIF's API or its golden copy, `--registry` one as Companies House or OpenCorporates give it.
The record must be about the vendor, by the `lei` or the `registry_number` of its manifest.";

pub(super) const VENDOR_OFFBOARD: &str = "\
Examples:
  portcullis vendor offboard acme
  portcullis vendor offboard acme --plan 'move payroll to the new firm' --ends 2027-01-31
  portcullis vendor offboard acme --deletion-certificate 241531a3-66a6-4bdf-a818-0898e2b44e04
  portcullis vendor offboard acme --finish
  portcullis vendor offboard acme --cancel --reason 'the contract was renewed'

At the end its access ends at the gate by itself. `--finish` blocks it for good, destroys the key of its documents, and
records what is kept, and why.";

pub(super) const VENDOR_ADMIT: &str = "\
Examples:
  portcullis vendor admit acme
  portcullis vendor admit acme --provisional --until 60d";

pub(super) const VENDOR_OUTLOOK: &str = "\
Examples:
  portcullis vendor outlook acme
  portcullis vendor outlook acme --days 90";

pub(super) const VENDOR_MATCH: &str = "\
Examples:
  portcullis vendor match acme ofac-sdn 12345 --clear --reason 'another country, formed 40 years earlier'";

pub(super) const VENDOR_EXCEPT: &str = "\
Examples:
  portcullis vendor except acme --stop vulnerability --subject CVE-2026-12345 --control 'read only, 100 records a day' --until 14d
  portcullis vendor except acme --confirm 241531a3-66a6-4bdf-a818-0898e2b44e04";

pub(super) const VENDOR_VULNERABILITY: &str = "\
Examples:
  portcullis vendor vulnerability acme CVE-2026-12345 --cvss 9.8 --published 2026-10-05
  portcullis vendor vulnerability acme CVE-2026-12345 --word not-affected --reason 'the code is not in the product'
  portcullis vendor vulnerability acme CVE-2026-12345 --close --reason 'the new release is in use'";

pub(super) const VENDOR_BREACH: &str = "\
Examples:
  portcullis vendor breach acme --aware 2026-11-20T08:00:00Z --noticed 2026-11-20T19:00:00Z --what 'a mailbox was read'
  portcullis vendor breach acme --close 241531a3-66a6-4bdf-a818-0898e2b44e04 --reason 'their report is here'";

pub(super) const VENDOR_RECORD: &str = "\
Examples:
  portcullis vendor record acme -f dossier.yaml --dry-run
  portcullis vendor record acme -f dossier.yaml --if-version 12";

pub(super) const VENDOR_STOPS: &str = "\
Examples:
  portcullis vendor stops
  portcullis vendor stops acme";

pub(super) const VENDOR_HOLD: &str = "\
Examples:
  portcullis vendor hold acme --level limited --reason 'no tested exit'
  portcullis vendor hold acme --level blocked --reason 'a breach was announced'";

pub(super) const EXPLAIN: &str = "\
Examples:
  portcullis explain 01M7Z0C6B71DFTGC1GRW00000W";

pub(super) const SEVER: &str = "\
Examples:
  portcullis sever vendor/acme --dry-run
  portcullis sever vendor/acme --reason 'token seen elsewhere'
  portcullis sever client/acme-1 --reason 'laptop stolen'

It needs no approval, and answers when every gate has confirmed.
`portcullis restore` is the way back.";

pub(super) const RESTORE: &str = "\
Examples:
  portcullis restore client/acme-1
  portcullis restore vendor/acme
  portcullis restore vendor/acme --confirm 241531a3-66a6-4bdf-a818-0898e2b44e04

Vendors and integrations take a second operator, and new keys for their clients.";

pub(super) const SEVERANCES: &str = "\
Examples:
  portcullis severances --watch";

pub(super) const RECEIPT: &str = "\
Examples:
  portcullis receipt 1f0c2f0e-6f0b-4a53-8a57-5f3a6f3c9b11 > receipt.txt

Whoever has the ledger's key (ledger key prints it) verifies it by --verify FILE --key KEY, without any server.";

pub(super) const ENFORCER: &str = "\
Examples:
  portcullis enforcer --user portcullis-enforcer --group portcullis
  portcullis up --enforcer /run/portcullis/enforcer.sock

Start it as root, or with CAP_NET_ADMIN: it keeps that right and drops all others. What it
has cut stays cut when it ends, and is cut again when it starts.";

pub(super) const DOCTOR: &str = "\
Examples:
  portcullis doctor
  portcullis doctor --ready";

pub(super) const METRICS: &str = "\
Examples:
  portcullis metrics quillmere
  portcullis metrics quillmere --window 24h --watch";

pub(super) const RISK_CONSTANTS: &str = "\
Examples:
  portcullis risk constants
  portcullis risk constants -o json";

pub(super) const FINDINGS: &str = "\
Examples:
  portcullis findings
  portcullis findings -o json";

pub(super) const TASK_LIST: &str = "\
Examples:
  portcullis task list
  portcullis task list --vendor acme
  portcullis task list --owner payments -o json";

pub(super) const TASK_ADD: &str = "\
Examples:
  portcullis task add acme 'ask for the new report' --due 2027-01-31 --owner alice";

pub(super) const TASK_DONE: &str = "\
Examples:
  portcullis task done 5e0c5d2e-2f9c-4f0e-9d0b-0f5a3c2b1a00";

pub(super) const CALENDAR_LINK: &str = "\
Examples:
  portcullis calendar link

Whoever has the address reads the calendar, and nothing else. Removing the operator who made it makes it void.";

pub(super) const NOTIFY_LIST: &str = "\
Examples:
  portcullis notify list
  portcullis notify list -o json";

pub(super) const NOTIFY_TEST: &str = "\
Examples:
  portcullis notify test desk
  portcullis notify test on-call";

pub(super) const SOURCE_LIST: &str = "\
Examples:
  portcullis source list
  portcullis source list -o json

`sources` of `settings.json` names them; it is read at a start.";

pub(super) const SOURCE_REFRESH: &str = "\
Examples:
  portcullis source refresh ofac
  portcullis source refresh ofac --accept

What can't be had or read changes nothing: the last good copy stays in use.";

pub(super) const SCREEN: &str = "\
Examples:
  portcullis screen
  portcullis screen acme
  portcullis screen --list sdn.csv --kind ofac_sdn
  portcullis screen acme --list targets.simple.csv --kind opensanctions -o json

Exit status: 1 where somebody matches whom nobody has cleared. The installation screens by itself whenever a list or a
vendor changes, and once a day.";

pub(super) const FEED_LIST: &str = "\
Examples:
  portcullis feed list
  portcullis feed list -o json";

pub(super) const FEED_CHECK: &str = "\
Examples:
  portcullis feed check drop.txt
  portcullis feed check exits.txt --holds tor --address 192.0.2.1
  portcullis feed check asn.csv --holds asn --address 1.1.1.1";

pub(super) const FEED_REFRESH: &str = "\
Examples:
  portcullis feed refresh tor-exits
  portcullis feed refresh tor-exits --accept

What can't be used changes nothing: the last good copy stays in use.";

pub(super) const ORIGIN: &str = "\
Examples:
  portcullis origin 192.0.2.1
  portcullis origin 2001:db8::1 -o json";

pub(super) const ERASE: &str = "\
Examples:
  portcullis erase 61ae37cb-5fe7-4b91-83d3-14b07d5a513e

It can't be undone. The ledger's proofs still verify.";

pub(super) const NEW: &str = "\
Examples:
  portcullis new integration acme > acme.yaml
  portcullis new integration --template push acme > acme.yaml";

pub(super) const CERTIFICATE_LIST: &str = "\
Examples:
  portcullis certificate list";

pub(super) const CERTIFICATE_ISSUE: &str = "\
Examples:
  portcullis certificate issue acme-robot --use client --csr acme-robot.csr --out acme-robot.crt
  portcullis certificate issue parcels --use upstream";

pub(super) const CERTIFICATE_RENEW: &str = "\
Examples:
  portcullis certificate renew gate";

pub(super) const CERTIFICATE_REVOKE: &str = "\
Examples:
  portcullis certificate revoke 4a1be02f5d --reason 'stolen laptop'";

pub(super) const CERTIFICATE_CRL: &str = "\
Examples:
  portcullis certificate crl clients > clients.crl";

pub(super) const NEW_ISSUER: &str = "\
Examples:
  portcullis new issuer acme --template keycloak > acme-keycloak.yaml
  portcullis new issuer acme --template spiffe > acme-spiffe.yaml";

pub(super) const NEW_POLICY: &str = "\
Examples:
  portcullis new policy acme > acme-policy.yaml";

pub(super) const KEYS_LIST: &str = "\
Examples:
  portcullis keys list";

pub(super) const KEYS_ROTATE: &str = "\
Examples:
  portcullis keys rotate
  portcullis keys rotate --now

No request fails: tokens under the old key run out, while new ones are signed with the new one.";

pub(super) const KEYS_WITHDRAW: &str = "\
Examples:
  portcullis keys withdraw 2pS0vGkOZmPv6dTqgkV4YgKkR3c5kqS9mZkqQeyLJ4E --reason 'backup stolen'

It needs no approval, and answers when every gate has confirmed. Clients need new tokens at once.";

pub(super) const KEYS_NEW_MASTER: &str = "\
Examples:
  portcullis keys new-master /media/safe/portcullis.master";

pub(super) const KEYS_REWRAP: &str = "\
Examples:
  portcullis keys rewrap --dir data --new-master-key-file /media/safe/portcullis.master

Whenever it breaks off, one of the two keys opens everything; doing it again goes on.";

pub(super) const KEYS_REPLACE_LOST: &str = "\
Examples:
  portcullis keys replace-lost --dir data --confirm

Lost stay: tokens, the CA, the signer of checkpoints, personal texts. The ledger and its proofs verify on.";

pub(super) const SCHEMA: &str = "\
Examples:
  portcullis schema integration > integration.schema.json";

pub(super) const REASONS: &str = "\
Examples:
  portcullis reasons
  portcullis reasons -o json";

pub(super) const BACKUP_KEY: &str = "\
Examples:
  portcullis backup key backup.key

Make it on another machine: whoever has it can read every backup.";

pub(super) const BACKUP_CREATE: &str = "\
Examples:
  portcullis backup create monday.backup --recipient pcb_wdJchvnnPI_P4RptnBeFoEL5k0vlInmyA8OJQCb25yM";

pub(super) const BACKUP_VERIFY: &str = "\
Examples:
  portcullis backup verify monday.backup --identity backup.key";

pub(super) const BACKUP_RESTORE: &str = "\
Examples:
  portcullis backup restore monday.backup --identity backup.key --dir data
  portcullis backup restore monday.backup --identity backup.key --dir data --force-over

It goes back in time: `portcullis ledger head` and `doctor` say so from the next start on.";

pub(super) const LEDGER_VERIFY: &str = "\
Examples:
  portcullis ledger verify
  portcullis ledger verify --against kept.checkpoint

With `--against` an older checkpoint, or the folder of an export, must still be the ledger's beginning.";

pub(super) const LEDGER_EXPORT: &str = "\
Examples:
  portcullis ledger export ledger-2026

C2SP tlog-tiles: whoever has the folder and the key of `portcullis ledger key` can verify all of it.";

pub(super) const LEDGER_PROVE: &str = "\
Examples:
  portcullis ledger prove 41
  portcullis ledger prove 41 --file 41.json
  portcullis ledger prove 01M7Z0C6B71DFTGC1GRW00000W

A decision is proved once its hour is sealed; `portcullis decisions seal` doesn't wait for that.";

pub(super) const LEDGER_VERIFY_PROOF: &str = "\
Examples:
  portcullis ledger verify-proof event-41.proof.json
  portcullis ledger verify-proof event-41.proof.json --key example.com/l+1866dc86+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";

pub(super) const EVIDENCE_ADD: &str = "\
Examples:
  portcullis evidence add acme -f soc2.yaml --document soc2.pdf
  portcullis evidence add acme -f pentest.yaml --document pentest.txt --signature pentest.jws
  portcullis evidence add acme -f pentest.yaml --sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad --answers 241531a3-66a6-4bdf-a818-0898e2b44e04";

pub(super) const AUDITOR_ADD: &str = "\
Examples:
  portcullis auditor add 'Redfern Labs' --key redfern.jwk
  portcullis auditor add 'Thistlewood LLP' --root thistlewood.pem --root thistlewood-2027.pem";

pub(super) const AUDITOR_LIST: &str = "\
Examples:
  portcullis auditor list";

pub(super) const AUDITOR_REMOVE: &str = "\
Examples:
  portcullis auditor remove 'Redfern Labs' --reason 'their key was stolen'";

pub(super) const INCIDENT_OPEN: &str = "\
Examples:
  portcullis incident open acme --title 'their mailbox was read' --vendor-aware 20h --why 'it was in the papers'
  portcullis incident open acme --title 'odd exports' --severity critical --aware 2026-11-22T02:00:00Z
  portcullis incident open --title 'our backup was lost' --text gdpr-33";

pub(super) const INCIDENT_NOTICE: &str = "\
Examples:
  portcullis incident notice acme --reference 'call of Ada' --aware 5h --what 'a mailbox was read' --contact 'Ada, +44 20 7946 0000'
  portcullis incident notice --signed notice.jws";

pub(super) const INCIDENT_LIST: &str = "\
Examples:
  portcullis incident list --open
  portcullis incident list --open --watch";

pub(super) const INCIDENT_SHOW: &str = "\
Examples:
  portcullis incident show 3
  portcullis incident show 3 -o json";

pub(super) const INCIDENT_ROLE: &str = "\
Examples:
  portcullis incident role 3 commander 'Mara Lindt'
  portcullis incident role 3 vendor_contact 'Ada, +44 20 7946 0000'";

pub(super) const INCIDENT_NOTE: &str = "\
Examples:
  portcullis incident note 3 'their status page says nothing'
  portcullis incident note 3 'the first odd export' --at 2026-11-22T01:12:00Z";

pub(super) const INCIDENT_TASK: &str = "\
Examples:
  portcullis incident task 3 'ask for their logs' --owner ops
  portcullis incident task 3 --done 241531a3-66a6-4bdf-a818-0898e2b44e04";

pub(super) const INCIDENT_DECIDE: &str = "\
Examples:
  portcullis incident decide 3 'stay severed over the weekend' --why 'nobody there can say what was read'";

pub(super) const INCIDENT_CLASSIFY: &str = "\
Examples:
  portcullis incident classify 3 we_aware --at 2h --why 'the export of 01:12 is certain'
  portcullis incident classify 3 classified_major --why 'payroll stands still'
  portcullis incident classify 3 determined_material --why 'the committee of 14:00'
  portcullis incident classify 3 --severity low --why 'test data only'";

pub(super) const INCIDENT_CLOCK: &str = "\
Examples:
  portcullis incident clock 3 gdpr-33/authority met --reference 'BfDI 26-1234'
  portcullis incident clock 3 sec-8k/form-8k set-aside --reason 'we file no reports there'
  portcullis incident clock 3 nis2-23 add

Nothing pauses a clock. One that is set aside goes on, and is where it always was when it is taken up.";

pub(super) const INCIDENT_CLOCKS: &str = "\
Examples:
  portcullis incident clocks
  portcullis incident clocks -o yaml";

pub(super) const INCIDENT_CLOSE: &str = "\
Examples:
  portcullis incident close 3 --summary 'one mailbox, no data of ours; keys were replaced'";

pub(super) const INCIDENT_REOPEN: &str = "\
Examples:
  portcullis incident reopen 3 --reason 'they found a second mailbox'";

pub(super) const INCIDENT_TELL: &str = "\
Examples:
  portcullis incident tell acme-1 --key keys/acme-1.pem --gate https://gate.example --reference NG-7 --aware 3h --what 'a mailbox was read'
  portcullis incident tell acme-1 --key keys/acme-1.pem --gate https://gate.example --reference NG-7 --aware 3h --what 'more of it' --sign-only

It works for a vendor that is held or severed, too. The signature proves the notice, whoever carries it.";
pub(super) const EXERCISE_LIST: &str = "\
Examples:
  portcullis exercise list --shipped
  portcullis exercise list";

pub(super) const EXERCISE_RUN: &str = "\
Examples:
  portcullis exercise run stolen-token --live
  portcullis exercise run stolen-token --live --dry-run
  portcullis exercise run sunday-notice --paper
  portcullis exercise run sunday-notice --paper --answers answers.yaml

Exit status: 0 passed, 1 failed";

pub(super) const EXERCISE_REPORT: &str = "\
Examples:
  portcullis exercise report
  portcullis exercise report sunday-notice
  portcullis exercise report --html exercises.html";

pub(super) const EXERCISE_CANARY: &str = "\
Examples:
  portcullis exercise canary
  portcullis exercise canary --wireguard pc-canary
  portcullis exercise canary --wireguard pc-canary --wireguard-port 51900 --wireguard-network 10.9.8.0/30";

pub(super) const EXERCISE_DRILL: &str = "\
Examples:
  portcullis exercise drill
  portcullis exercise drill --dry-run";

pub(super) const NEW_EXERCISE: &str = "\
Examples:
  portcullis new exercise stolen-token > stolen-token.yaml
  portcullis new exercise stolen-token | portcullis apply -f -";

pub(super) const EVIDENCE_LIST: &str = "\
Examples:
  portcullis evidence list acme";

pub(super) const EVIDENCE_GET: &str = "\
Examples:
  portcullis evidence get acme ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad --out soc2.pdf";

pub(super) const EVIDENCE_WITHDRAW: &str = "\
Examples:
  portcullis evidence withdraw acme 241531a3-66a6-4bdf-a818-0898e2b44e04 --reason 'it is another firm'";

pub(super) const EVIDENCE_CHECK: &str = "\
Examples:
  portcullis evidence check
  portcullis evidence check acme";

pub(super) const EVIDENCE_REQUEST: &str = "\
Examples:
  portcullis evidence request acme --kind penetration_test --contact security@acme.example --due 2027-01-31";

pub(super) const EVIDENCE_ANSWER: &str = "\
Examples:
  portcullis evidence answer https://gate.example/oauth/evidence/CODE pentest.pdf
  portcullis evidence answer https://gate.example/oauth/evidence/CODE --refuse 'we show it to nobody'";

pub(super) const EVIDENCE_VERIFY: &str = "\
Examples:
  portcullis evidence verify soc2.pdf --roots auditors.pem
  portcullis evidence verify pentest.txt --signature pentest.jws --key auditor.jwk

Exit status 0 if it is valid, 1 if it isn't or nobody known has signed it, 2 if a file can't be used.";

pub(super) const COMPLETION: &str = "\
Examples:
  portcullis completion bash > ~/.local/share/bash-completion/completions/portcullis
  portcullis completion zsh > ~/.zfunc/_portcullis";

#[cfg(test)]
pub(super) mod tests;
