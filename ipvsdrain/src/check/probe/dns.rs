//! A name server is asked for a record: over UDP, or over TCP where the check says so or the answer did not fit.

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::RecordType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bad::Bad;
use super::door::Door;
use crate::check::kind::Question;

pub(super) async fn ask(question: &Question, to: &Door) -> Result<(), Bad> {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(question.name.clone(), question.record));
    let asked = query.to_vec();
    let asked = asked.map_err(|error| Bad::Checker(format!("the query cannot be written: {error}")))?;
    if !question.tcp {
        let answer = over_udp(&asked, query.metadata.id, to).await?;
        if !answer.metadata.truncation {
            return judge(&answer, question);
        }
    }
    let answer = over_tcp(&asked, to).await?;
    if !answers(&answer, query.metadata.id) {
        return Err(Bad::Server("an answer to another query".to_owned()));
    }
    judge(&answer, question)
}

/// What answers another query is passed over.
async fn over_udp(query: &[u8], id: u16, to: &Door) -> Result<Message, Bad> {
    let mut socket = to.datagrams().await?;
    socket.send(query).await?;
    loop {
        let answer = read(&socket.receive().await?)?;
        if answers(&answer, id) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(query: &[u8], to: &Door) -> Result<Message, Bad> {
    let mut stream = to.connect().await?;
    let length = u16::try_from(query.len()).unwrap_or(u16::MAX);
    let framed = [&length.to_be_bytes(), query].concat();
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    read(&answer)
}

fn read(answer: &[u8]) -> Result<Message, Bad> {
    Message::from_vec(answer).map_err(|error| Bad::Server(format!("the answer is no DNS: {error}")))
}

fn answers(answer: &Message, id: u16) -> bool {
    answer.metadata.message_type == MessageType::Response && answer.metadata.id == id
}

fn judge(answer: &Message, question: &Question) -> Result<(), Bad> {
    let code = answer.metadata.response_code;
    let Question { name, record, .. } = question;
    if code != ResponseCode::NoError {
        return Err(Bad::Server(format!("{name} {record}: {code}")));
    }
    let found: Vec<String> = answer
        .answers
        .iter()
        .filter(|found| found.record_type() == *record)
        .map(|found| found.data.to_string())
        .collect();
    let is_expected = |found: &String| {
        let expected = question.answer.as_deref();
        expected.is_none_or(|expected| same(*record, found, expected))
    };
    if found.iter().any(is_expected) {
        return Ok(());
    }
    Err(Bad::Server(match (found.first(), &question.answer) {
        (Some(first), Some(expected)) => format!("{name} {record}: {first}, expected {expected}"),
        _ => format!("{name} {record}: no such record in the answer"),
    }))
}

/// Names are the same whatever their case, and whether the last dot is written; texts are not.
fn same(record: RecordType, found: &str, expected: &str) -> bool {
    let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    found == expected || (record != RecordType::TXT && plain(found) == plain(expected))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hickory_proto::op::OpCode;
    use hickory_proto::rr::rdata::{A, CNAME, TXT};
    use hickory_proto::rr::{Name, RData, Record};
    use proptest::prelude::*;

    use super::*;

    fn question(record: RecordType, answer: Option<&str>) -> Question {
        Question {
            name: Name::from_str("example.org.").unwrap(),
            record,
            answer: answer.map(str::to_owned),
            tcp: false,
        }
    }

    fn answer(code: ResponseCode, records: &[RData]) -> Message {
        let mut answer = Message::response(7, OpCode::Query);
        answer.metadata.response_code = code;
        for record in records {
            let name = Name::from_str("example.org.").unwrap();
            answer.add_answer(Record::from_rdata(name, 60, record.clone()));
        }
        answer
    }

    fn name(text: &str) -> RData {
        RData::CNAME(CNAME(Name::from_str(text).unwrap()))
    }

    #[test]
    fn an_answer_passes_that_has_the_record() {
        let address = RData::A(A::new(192, 0, 2, 1));
        let both = answer(
            ResponseCode::NoError,
            &[name("www.example.org."), address.clone()],
        );
        let passes = |record, expected| judge(&both, &question(record, expected));
        assert_eq!(passes(RecordType::A, None), Ok(()));
        assert_eq!(passes(RecordType::A, Some("192.0.2.1")), Ok(()));
        assert_eq!(passes(RecordType::CNAME, Some("WWW.example.org")), Ok(()));
        let said = |result: Result<(), Bad>| match result {
            Err(Bad::Server(said)) => said,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            said(passes(RecordType::A, Some("192.0.2.2"))),
            "example.org. A: 192.0.2.1, expected 192.0.2.2"
        );
        assert_eq!(
            said(passes(RecordType::AAAA, None)),
            "example.org. AAAA: no such record in the answer"
        );
        let failed = answer(ResponseCode::ServFail, &[address]);
        let failed = said(judge(&failed, &question(RecordType::A, None)));
        assert!(failed.starts_with("example.org. A: "), "{failed}");
    }

    #[test]
    fn texts_are_compared_to_the_letter() {
        let text = answer(
            ResponseCode::NoError,
            &[RData::TXT(TXT::new(vec!["Ready.".to_owned()]))],
        );
        let passes = |expected| judge(&text, &question(RecordType::TXT, Some(expected))).is_ok();
        assert!(passes("Ready.") && !passes("ready.") && !passes("Ready"));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes: Vec<u8>) {
            if let Ok(answer) = read(&bytes) {
                let _ = judge(&answer, &question(RecordType::A, Some("192.0.2.1")));
            }
        }
    }
}
