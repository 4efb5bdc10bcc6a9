//! Does this record stand in the log that was signed? Proven here, and in a file that needs nobody's word.

use maud::html;

use super::record::{find, named, pair, warning};
use crate::audit::checkpoint::PublicKey;
use crate::audit::prove::{Proof, ProofError, Proven, prove};
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::page::{Asking, Content, Page};
use crate::console::reading::Reading;
use crate::console::shell::{Place, number};
use crate::console::state::State;
use crate::store::Directory;

pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let found = find(state, asking)?;
    let name = named(&found.row);
    let made = made(state, asking)?;
    let title = format!("{} {name}", lang.pick("Proof of record", "記録の証明"));
    let body = html! {
        h1 { (title) }
        (warning(state, lang, &found)?)
        @match &made {
            Ok((proof, keys)) => {
                @match checked(lang, proof, keys, &found.begin.bytes) {
                    Ok(size) => {
                        p.notice.good role="status" {
                            (lang.pick("Proven: this very line is in the signed log.", "証明済み: この行は署名された記録に含まれています。"))
                        }
                        dl {
                            (pair(lang.pick("Its number", "番号"), html! { (number(found.row.place.seq)) }))
                            (pair(lang.pick("Records that were signed with it", "署名対象の記録数"), html! { (number(size)) }))
                            (pair(lang.pick("Signed by", "署名鍵"), html! { @for key in keys { code.hash { (key) } br; } }))
                        }
                    }
                    Err(why) => p.notice.bad role="alert" { (lang.pick("NOT PROVEN: ", "証明できません: ")) (why) },
                }
                p { a.button href=(format!("/record/{name}/proof.txt")) download { (lang.pick("Take the proof away", "証明書を保存")) } }
                p.soft { (lang.pick("Anybody can check the file offline with the public key: ", "このファイルは公開鍵だけでオフライン検証できます: "))
                    code { "sekisho audit verify --proof record.proof --key audit-key" } }
                details { summary { (lang.pick("The proof", "証明の内容")) } pre tabindex="0" { (proof) } }
            }
            Err(why) => p.notice.bad role="status" { (lang.pick("It cannot be proven now: ", "現在は証明できません: ")) (why) },
        }
        p { a href=(format!("/record/{name}")) { (lang.pick("Back to the record", "記録へ戻る")) } }
    };
    Ok(Page::html(Reading::of("proof", name), Place::Search, title, body))
}

/// The proof as a file.
pub(super) fn file(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let found = find(state, asking)?;
    let name = named(&found.row);
    let (proof, _) = made(state, asking)?.map_err(|why| Trouble::Asked(why.to_string()))?;
    let mut reading = Reading::of("proof", name).with_records(1);
    reading.action = "export";
    let name = format!("record-{}-{}.proof", found.row.place.log, found.row.place.seq);
    let chunks = Box::new(std::iter::once(Ok(proof.to_string().into_bytes())));
    Ok(Page { reading, content: Content::File { name, media: "text/plain; charset=utf-8", chunks } })
}

type Made = Result<(Proof, Vec<PublicKey>), ProofError>;

fn made(state: &State, asking: &Asking) -> Result<Made, Trouble> {
    let found = find(state, asking)?;
    let log = &found.row.place.log;
    let disk = Directory::open_to_read(&state.data.join("log").join(log)).map_err(Trouble::unable)?;
    let keys = (state.signer)(log).public();
    Ok(prove(&disk, found.row.place.seq).map(|proof| (proof, keys)))
}

/// Whether it proves these bytes; over how many records it was signed.
fn checked(lang: Lang, proof: &Proof, keys: &[PublicKey], bytes: &[u8]) -> Result<u64, String> {
    match proof.check(keys, None) {
        Ok(Proven::Record { line, checkpoint }) if line == bytes => Ok(checkpoint.size),
        Ok(_) => Err(lang.pick("the proof is of another record", "別の記録の証明です").to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
