//! Files that are refused, each with what is said: the place first, then what is wrong, then what may stand there.

use std::path::Path;

use super::parse;

const FILES: [&str; 76] = [
    "shadow",
    "shadow = ",
    "shadow = 1",
    "shadow = true\nshadow = false",
    "[policy",
    "shadw = true",
    "other_hands = \"fight\"",
    "[deamon]\nsocket = \"/run/s\"",
    "[daemon]\nsokcet = \"/run/s\"",
    "[daemon]\nsocket = \"run/s\"",
    "[daemon]\nsocket = 7",
    "[daemon]\nflow_capacity = 10",
    "[daemon]\nflow_capacity = -1",
    "[daemon]\narrivals = \"sometimes\"",
    "[daemon]\nlowest_rung = \"top\"",
    "[daemon]\nlog = \"xml\"",
    "[web]\nport = 9969",
    "[web]\nlisten = 9969",
    "[web]\nlisten = \"localhost:9969\"",
    "[web]\nlisten = \"127.0.0.1:0\"",
    "[web]\ncertificate = \"web.pem\"\nkey = \"/k\"",
    "[web]\ncertificate = \"/c\"",
    "[web]\nkey = \"/k\"",
    "[web]\ncertificat = \"/c\"",
    "[web.users]\nprometheus = \"secret\"",
    "[web.users]\nprometheus = \"$2y$20$..CQZC6k6hxB87TDWFCHDeF.JQZGwJeTJ4KunlY6yjYowz7Fyp8aq\"",
    "[web.users]\n\"a:b\" = \"$2y$10$..CQZC6k6hxB87TDWFCHDeF.JQZGwJeTJ4KunlY6yjYowz7Fyp8aq\"",
    "[web]\nusers = [\"prometheus\"]",
    "[policy]\nudp_quiet_secs = 0",
    "[policy]\nudp_quiet = 5",
    "[policy]\npinned = \"drop\"",
    "[policy]\non_deadline = \"remove\"",
    "[policy]\nsysctl = \"never\"\npersistence = \"set\"",
    "[floor]\nweight_percent = 101",
    "[policy]\nslow_start_secs = 3601",
    "[failure]\nthen = \"restart\"",
    "[failure]\nremove_after = 30",
    "[failure]\nremove_after_secs = 86401",
    "[failure]\nthen = \"remove\"\nconfirmations = 0",
    "[failure]\nhold_down_secs = 601",
    "[[service]]\nmatch = { port = 53 }\npolicy = { failure = { forgiven_after_secs = 0 } }",
    "[[service]]\npolicy = { pinned = \"hold\" }",
    "[[service]]\nmatch = {}\npolicy = {}",
    "[adopt]\nservices = [\"udp:10.0.0.1\"]",
    "[[hook]]\non = [\"gone\"]\nrun = [\"/bin/true\"]",
    "[[hook]]\non = [\"removed\"]\nrun = [\"true\"]",
    "[daemon]\nconcurrent_checks = 0",
    "[[check]]\ntcp = {}",
    "[[check]]\nmatch = { port = 80 }",
    "[[check]]\nmatch = { port = 80 }\ntcp = {}\nhttp = {}",
    "[[check]]\nmatch = { port = 80 }\ntpc = {}",
    "[[check]]\nmatch = { port = 80 }\ntcp = { port = 80 }",
    "[[check]]\nmatch = { port = 80 }\nport = 0\ntcp = {}",
    "[[check]]\nmatch = { port = 80 }\ntcp = {}\nname = \"a b\"",
    "[[check]]\nmatch = { port = 80 }\ntcp = {}\ninterval_ms = 99",
    "[[check]]\nmatch = { port = 80 }\ntcp = {}\ninterval_ms = 500",
    "[[check]]\nmatch = { port = 80 }\ntcp = {}\njitter_percent = 51",
    "[[check]]\nmatch = { port = 80 }\ntcp = {}\n[[check]]\nmatch = { protocol = \"tcp\" }\ntcp = {}",
    "[[check]]\nmatch = { port = 53 }\nudp = { expect = \"pong\" }",
    "[[check]]\nmatch = { port = 53 }\nudp = { send = \"\" }",
    "[[check]]\nmatch = { port = 53 }\nudp = { send = \"a\", send_hex = \"61\" }",
    "[[check]]\nmatch = { port = 53 }\nudp = { send_hex = \"616\" }",
    "[[check]]\nmatch = { port = 53 }\ndns = { record = \"A\" }",
    "[[check]]\nmatch = { port = 53 }\ndns = { name = \"a..b\" }",
    "[[check]]\nmatch = { port = 53 }\ndns = { name = \"example.org\", record = \"ANY\" }",
    "[[check]]\nmatch = { port = 53 }\ndns = { name = \"example.org\", answer = \"2001:db8::1\" }",
    "[[check]]\nmatch = { port = 80 }\nhttp = { path = \"health\" }",
    "[[check]]\nmatch = { port = 80 }\nhttp = { host = \"\" }",
    "[[check]]\nmatch = { port = 80 }\nhttp = { status = [] }",
    "[[check]]\nmatch = { port = 80 }\nhttp = { status = [200, 20] }",
    "[[check]]\nmatch = { port = 80 }\nhttp = { verify = true }",
    "[[check]]\nmatch = { port = 443 }\nhttps = { verify = true }",
    "[[check]]\nmatch = { port = 443 }\ntls = { server_name = \"a b\" }",
    "[[check]]\nmatch = { port = 80 }\nexec = { down = [2] }",
    "[[check]]\nmatch = { port = 80 }\nexec = { run = [\"true\"] }",
    "[[check]]\nmatch = { port = 80 }\nexec = { run = [\"/bin/true\"], down = [0] }",
];

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place() {
    let said: Vec<String> = FILES
        .iter()
        .map(|text| {
            let error = parse(Path::new("config.toml"), text).unwrap_err().to_string();
            let indented = |text: &str| text.replace('\n', "\n  ");
            format!("---\n  {}\n{}", indented(text), error.trim_end())
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}
