//! What came of an attempt, as the APIs tell it.

use serde::{Deserialize, Serialize};
use tonic::Code;

use crate::api;
use crate::attempt::Attempt;

/// `google.rpc.Status`, without details.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    #[serde(skip_serializing_if = "is_ok")]
    pub(crate) code: i32,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_ok(code: &i32) -> bool {
    *code == 0
}

impl Status {
    pub(crate) fn into_proto(self) -> googleapis_tonic_google_cloud_tasks_v2::google::rpc::Status {
        googleapis_tonic_google_cloud_tasks_v2::google::rpc::Status {
            code: self.code,
            message: self.message,
            details: Vec::new(),
        }
    }
}

/// The status of an attempt. The codes are those that go with HTTP statuses
/// (`google/rpc/code.proto`); the message has the form that Cloud Tasks' users
/// see, `INTERNAL(13): HTTP status code 500`.
pub(crate) fn status_of(attempt: &Attempt, is_late: bool) -> Status {
    let code = match attempt {
        Attempt::Answered(status) => of_http(*status),
        Attempt::Failed(_) if is_late => Code::DeadlineExceeded,
        Attempt::Failed(_) => Code::Unavailable,
        Attempt::NotSent(_) => Code::PermissionDenied,
    };
    let (name, number) = (api::name(code), i32::from(code));
    let message = match attempt {
        Attempt::Answered(_) if code == Code::Ok => String::new(),
        Attempt::Answered(status) => format!("{name}({number}): HTTP status code {status}"),
        Attempt::Failed(why) | Attempt::NotSent(why) => format!("{name}({number}): {why}"),
    };
    Status { code: number, message }
}

fn of_http(status: u16) -> Code {
    match status {
        200..300 => Code::Ok,
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::Aborted,
        429 => Code::ResourceExhausted,
        499 => Code::Cancelled,
        500 => Code::Internal,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_as_cloud_tasks_users_see_it() {
        let status = status_of(&Attempt::Answered(500), false);
        assert_eq!((status.code, &*status.message), (13, "INTERNAL(13): HTTP status code 500"));
        assert_eq!(status_of(&Attempt::Answered(204), false), Status::default());
        assert_eq!(status_of(&Attempt::Failed("no answer".into()), true).code, 4);
        assert_eq!(status_of(&Attempt::NotSent("no role".into()), false).code, 7);
    }
}
