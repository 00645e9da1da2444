//! The texts about people in a dossier, so that each can be erased with its key.

use portcullis_ids::personal::Personal;

use super::Dossier;

impl Dossier {
    /// Officers, contacts of requests, and those who may sign.
    pub fn people(&self) -> impl Iterator<Item = &Personal> {
        let officers = self.entity.values().flat_map(|record| &record.officers).map(|officer| &officer.name);
        let contacts = self.requests.values().map(|asked| &asked.request.contact);
        officers.chain(contacts).chain(self.signers.iter().map(|signer| &signer.name))
    }

    pub fn people_mut(&mut self) -> impl Iterator<Item = &mut Personal> {
        let officers = self.entity.values_mut().flat_map(|record| &mut record.officers);
        let contacts = self.requests.values_mut().map(|asked| &mut asked.request.contact);
        let signers = self.signers.iter_mut().map(|signer| &mut signer.name);
        officers.map(|officer| &mut officer.name).chain(contacts).chain(signers)
    }
}
