//! The memory that passwords take. Alone in its process, because that is what it measures.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

use futures_util::future::join_all;
use shared::accounts::passwords::{Verdict, verify};

/// MiB of argon2's memory for a password with today's parameters.
const ONE: u64 = 19;

/// MiB of this process, as the kernel counts them: `VmRSS` now, `VmHWM` at most so far.
fn mib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

async fn verdict(stored: Option<String>) -> Verdict {
    verify(serde_json::from_value("password".into()).unwrap(), stored).await.unwrap()
}

#[tokio::test]
async fn any_number_of_logins_takes_the_memory_of_one() {
    let before = mib("VmRSS");
    // One after the other, as Lambda sends them, and at once.
    for _ in 0..25 {
        assert_eq!(verdict(None).await, Verdict::Wrong);
    }
    join_all((0..25).map(|_| verdict(None))).await;
    let (now, most) = (mib("VmRSS") - before, mib("VmHWM") - before);
    assert!(now >= ONE && most < ONE + 8, "{now} MiB, and {most} at most");

    // Larger parameters of a stored hash need more, for as long as it is compared.
    for kib in [20 * 1024, 30 * 1024, 64 * 1024, 24 * 1024] {
        let larger =
            format!("$argon2id$v=19$m={kib},t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
        let expected = if kib == 64 * 1024 { Verdict::Right } else { Verdict::Wrong };
        assert_eq!(verdict(Some(larger)).await, expected, "{kib} KiB");
    }
    assert_eq!(verdict(None).await, Verdict::Wrong);
    let (now, most) = (mib("VmRSS") - before, mib("VmHWM") - before);
    assert!(now < ONE + 8 && most < 64 + 8, "{now} MiB, and {most} at most");
}
