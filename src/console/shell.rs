//! What stands around every page?

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::error::Trouble;
use super::lang::Lang;
use super::page::Asking;
use super::person::Right;
use super::state::State;

/// Where in the menu a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Search,
    Live,
    Reviews,
    Subjects,
    Recipients,
    Policy,
    Integrity,
    /// In none.
    Elsewhere,
}

impl Place {
    const MENU: [Place; 8] = [
        Place::Overview,
        Place::Search,
        Place::Live,
        Place::Reviews,
        Place::Subjects,
        Place::Recipients,
        Place::Policy,
        Place::Integrity,
    ];

    const fn path(self) -> &'static str {
        match self {
            Place::Overview | Place::Elsewhere => "/",
            Place::Search => "/search",
            Place::Live => "/live",
            Place::Reviews => "/reviews",
            Place::Subjects => "/subjects",
            Place::Recipients => "/recipients",
            Place::Policy => "/policy",
            Place::Integrity => "/integrity",
        }
    }

    const fn name(self, lang: Lang) -> &'static str {
        match self {
            Place::Overview => lang.pick("Overview", "概要"),
            Place::Search => lang.pick("Search", "検索"),
            Place::Live => lang.pick("Live", "ライブ"),
            Place::Reviews => lang.pick("Reviews", "事後確認"),
            Place::Subjects => lang.pick("Persons", "本人"),
            Place::Recipients => lang.pick("Recipients", "提供先"),
            Place::Policy => lang.pick("Policy", "方針"),
            Place::Integrity => lang.pick("Integrity", "完全性"),
            Place::Elsewhere => "",
        }
    }

    /// The right without which it is not offered.
    const fn right(self) -> Right {
        match self {
            Place::Subjects => Right::Reveal,
            _ => Right::Read,
        }
    }
}

/// The page of somebody who is signed in.
pub(super) fn page(state: &State, asking: &Asking, title: &str, place: Place, body: &Markup) -> Markup {
    let lang = asking.lang;
    let person = asking.person();
    let menu = html! {
        nav.menu aria-label=(lang.pick("Main", "メイン")) {
            ul {
                @for item in Place::MENU {
                    @if asking.may(item.right()) {
                        li { a href=(item.path()) aria-current=[(item == place).then_some("page")] { (item.name(lang)) } }
                    }
                }
            }
        }
    };
    let who = html! {
        div.who {
            (languages(lang, &asking.address))
            span.person {
                (person.id) " "
                span.role { (person.roles.iter().map(|role| role_name(lang, *role)).collect::<Vec<_>>().join(", ")) }
            }
            form method="post" action="/sign-out" {
                (token(asking))
                button.quiet type="submit" { (lang.pick("Sign out", "サインアウト")) }
            }
        }
    };
    let indexed = state.indexed();
    let notice = html! {
        @if let Some(trouble) = &indexed.trouble {
            p.notice.bad role="status" {
                (lang.pick("The index does not go on; newer accesses are missing here: ",
                    "索引が更新されていません。新しいアクセスはここに表示されません: "))
                code { (trouble) }
            }
        } @else if !indexed.progress.is_caught_up {
            p.notice role="status" {
                (lang.pick("The log is still being read: ", "記録を読み込み中です: "))
                (number(indexed.progress.records)) " / " (number(indexed.progress.total))
            }
        }
    };
    frame(
        lang,
        title,
        &html! {
            header.top {
                a.skip href="#main" { (lang.pick("Skip to content", "本文へ")) }
                a.mark href="/" { span.gate aria-hidden="true" {} "Sekisho" }
                (menu)
                (who)
            }
            main id="main" tabindex="-1" { (notice) (body) }
        },
    )
}

/// A page for somebody who is not.
pub(super) fn plain(lang: Lang, address: &str, title: &str, body: &Markup) -> Markup {
    frame(
        lang,
        title,
        &html! {
            header.top {
                span.mark { span.gate aria-hidden="true" {} "Sekisho" }
                div.who { (languages(lang, address)) }
            }
            main.narrow id="main" { (body) }
        },
    )
}

fn frame(lang: Lang, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Sekisho" }
                link rel="stylesheet" href=(super::asset::STYLE.path());
                link rel="icon" href=(super::asset::ICON.path()) type="image/svg+xml";
                script src=(super::asset::SCRIPT.path()) defer {}
            }
            body { (body) }
        }
    }
}

/// What a form carries to show that it is from a page of this session.
pub(super) fn token(asking: &Asking) -> Markup {
    html! { input type="hidden" name=(TOKEN) value=(asking.session.token); }
}

/// The name of that field.
pub(super) const TOKEN: &str = "token";

fn languages(lang: Lang, address: &str) -> Markup {
    let (other, name) = match lang {
        Lang::En => (Lang::Ja, "日本語"),
        Lang::Ja => (Lang::En, "English"),
    };
    let separator = if address.contains('?') { '&' } else { '?' };
    html! { a.lang lang=(other.code()) href=(format!("{address}{separator}lang={}", other.code())) { (name) } }
}

pub(super) const fn role_name(lang: Lang, role: super::Role) -> &'static str {
    use super::Role;
    match role {
        Role::Viewer => lang.pick("viewer", "閲覧者"),
        Role::Reviewer => lang.pick("reviewer", "確認者"),
        Role::PrivacyOfficer => lang.pick("privacy officer", "個人情報保護管理者"),
        Role::Auditor => lang.pick("auditor", "監査人"),
    }
}

/// `12,345`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The page that says why there is none.
pub(super) fn trouble(lang: Lang, at: Option<(&State, &Asking)>, trouble: &Trouble) -> Response {
    let (status, title, detail) = match trouble {
        Trouble::Asked(what) => {
            (StatusCode::BAD_REQUEST, lang.pick("That cannot be answered", "この要求には答えられません"), what.clone())
        }
        Trouble::Missing => (
            StatusCode::NOT_FOUND,
            lang.pick("There is nothing here", "ここには何もありません"),
            lang.pick(
                "No page or record has this address. It may have been removed when its time was over.",
                "このアドレスのページや記録はありません。保存期間を過ぎて削除された可能性があります。",
            )
            .to_owned(),
        ),
        Trouble::Forbidden => (
            StatusCode::FORBIDDEN,
            lang.pick("Your roles do not allow this", "あなたの役割では許可されていません"),
            lang.pick(
                "Ask whoever keeps the console's accounts if you need it for your work.",
                "業務に必要な場合は、コンソールのアカウント管理者に依頼してください。",
            )
            .to_owned(),
        ),
        Trouble::Forged => (
            StatusCode::FORBIDDEN,
            lang.pick("This form is not of your session", "このフォームは現在のセッションのものではありません"),
            lang.pick(
                "Nothing was done. Go back, load the page again and send the form once more.",
                "何も実行されていません。前のページを再読み込みして、もう一度送信してください。",
            )
            .to_owned(),
        ),
        Trouble::Unable(why) => {
            tracing::error!(%why, "a page of the console could not be shown");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                lang.pick("Not now", "現在表示できません"),
                lang.pick(
                    "The page cannot be shown, or the reading of it cannot be recorded. The process's own messages say why.",
                    "ページを表示できないか、閲覧の記録ができません。理由はプロセスのメッセージにあります。",
                )
                .to_owned(),
            )
        }
    };
    let body = html! {
        h1 { (title) }
        p { (detail) }
        p { a href="/" { (lang.pick("Overview", "概要へ")) } }
    };
    let page = match at {
        Some((state, asking)) => page(state, asking, title, Place::Elsewhere, &body),
        None => plain(lang, "/", title, &body),
    };
    (status, Html(page.into_string())).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_parted_by_thousands() {
        let parted = [0, 999, 1000, 123_456, 1_234_567].map(super::number);
        assert_eq!(parted, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }
}
