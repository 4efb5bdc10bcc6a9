//! `sekisho decide`: an answer a line, whatever the line.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use super::support::{Folder, command, sekisho, sekisho_fed};

const PERMITTED: &str = r#"{"subject":{"type":"caller","id":"s-1","properties":{"roles":["coordination-staff"]}},"action":{"name":"read"},"resource":{"type":"record","id":"r-1","properties":{"subject_class":"donor","subject":"d-1","categories":["identity.name","finance.account"]}},"context":{"purpose":"coordination","time":"2026-11-22T09:00:00+09:00"}}"#;

const POLICY: [&str; 3] = ["decide", "--policy", "policy/jmdp"];

#[test]
fn every_line_is_answered_in_order_and_a_malformed_one_is_named() {
    let refused = PERMITTED.replace("coordination-staff", "accounting-staff");
    let mut input = format!("{PERMITTED}\n\n{{\"subject\":\n   \n{refused}\n").into_bytes();
    input.extend(b"{\"subject\": \"\xff\"}\n");
    input.extend(PERMITTED.as_bytes()); // the last line needs no end
    let ran = sekisho_fed(&POLICY, &input);
    assert_eq!(ran.code, 2);
    let lines = ran.lines();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0]["decision"], true);
    assert_eq!(lines[0]["context"]["release"]["identity.name"], "clear");
    assert_eq!(lines[0]["context"]["release"]["finance.account"], "withheld");
    assert_eq!(lines[1]["error"]["line"], 3);
    assert_eq!(lines[2]["decision"], false);
    assert_eq!(lines[2]["context"]["reasons"][0]["code"], "purpose-not-for-role");
    assert_eq!(lines[3]["error"]["line"], 6);
    assert!(lines[3]["error"]["detail"].as_str().unwrap().contains("UTF-8"));
    assert_eq!(lines[4], lines[0]);
}

#[test]
fn answers_alone_end_with_success_refusals_too() {
    let refused = PERMITTED.replace("\"purpose\":\"coordination\",", "");
    let ran = sekisho_fed(&POLICY, format!("{PERMITTED}\r\n{refused}\n").as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.lines()[1]["context"]["reasons"][0]["code"], "purpose-missing");
    assert_eq!(sekisho_fed(&POLICY, b"").code, 0);
}

#[test]
fn a_request_without_time_is_judged_as_of_now() {
    let untimed = PERMITTED.replace(",\"time\":\"2026-11-22T09:00:00+09:00\"", "");
    let past = PERMITTED.replace("2026-11-22", "2021-11-22");
    let lines = sekisho_fed(&POLICY, format!("{untimed}\n{past}\n").as_bytes()).lines();
    assert_eq!(lines[0]["decision"], true);
    assert_eq!(lines[1]["context"]["reasons"][0]["code"], "purpose-not-in-force");
}

#[test]
fn a_program_that_asks_in_turns_is_not_left_waiting() {
    let mut child = command().args(POLICY).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut ask = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut answer = String::new();
    for _ in 0..3 {
        answer.clear();
        // The beginning of the next line already there is no reason to keep the answer back.
        ask.write_all(format!("{PERMITTED}\n{{\"subj").as_bytes()).unwrap();
        answers.read_line(&mut answer).unwrap();
        assert!(answer.contains("\"decision\":true"), "{answer}");
        ask.write_all(b"ect\":1}\n").unwrap();
        answer.clear();
        answers.read_line(&mut answer).unwrap();
        assert!(answer.contains("error"), "{answer}");
    }
    drop(ask);
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child =
        command().args(POLICY).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut ask = child.stdin.take().unwrap();
    for _ in 0..2000 {
        if ask.write_all(format!("{PERMITTED}\n").as_bytes()).is_err() {
            break;
        }
    }
    drop(ask);
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(told, "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn requests_may_stand_in_a_file() {
    let folder = Folder::new("decide-file");
    let file = folder.write("requests.jsonl", format!("{PERMITTED}\n").repeat(1000));
    let ran = sekisho(&["decide", "--policy", "policy/jmdp", &file]);
    assert_eq!((ran.code, ran.lines().len()), (0, 1000));
    assert_eq!(sekisho_fed(&["decide", "--policy", "policy/jmdp", "-"], PERMITTED.as_bytes()).lines().len(), 1);
}

#[test]
fn what_cannot_be_read_is_an_error_and_no_answer() {
    let folder = Folder::of("decide-faulty", "jsco");
    folder.change("policy.toml", "[policy]", "[polic]");
    let faulty: [&str; 3] = ["decide", "--policy", folder.path()];
    for arguments in [
        &faulty[..],
        &["decide", "--policy", "policy/none"],
        &["decide", "--policy", "policy/jmdp", "none"],
        &["decide"],
    ] {
        let ran = sekisho_fed(arguments, PERMITTED.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.err.contains("error"), "{}", ran.err);
        ran.assert_fits();
    }
}
