//! A fault as a setting: what a file and the control API hold.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{Fault, RegionFault};

/// A fault, with what has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultSetting {
    /// A server behind the Google listener fails.
    Server(Server, Fault),
    /// A service fails in one region.
    Region {
        /// The service's name.
        service: String,
        /// The region's name.
        region: String,
        /// How.
        fault: RegionSetting,
    },
    /// Minting fails.
    Tokens(TokenFault),
    /// Google's clock is wrong.
    Clock {
        /// How many seconds it is ahead; behind if negative.
        offset: i64,
    },
}

/// A server behind the Google listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// Google's key documents.
    Keys,
    /// IAP's key documents.
    IapKeys,
    /// The metadata server.
    Metadata,
    /// IAM Credentials.
    IamCredentials,
    /// The token endpoint.
    TokenEndpoint,
    /// The security token service.
    Sts,
    /// The Cloud Run Admin API.
    RunAdmin,
    /// Pub/Sub, but for what its client libraries call by gRPC.
    Pubsub,
    /// Cloud Tasks, likewise.
    CloudTasks,
    /// Cloud Scheduler, likewise.
    CloudScheduler,
    /// IAM, of which policies of accounts can be read.
    Iam,
    /// Resource Manager, of which a project and its policy can be read.
    ResourceManager,
    /// Compute Engine, of which load balancers can be read.
    Compute,
    /// IAP, of which policies can be read.
    Iap,
}

impl Server {
    /// All of them, by the names that settings have.
    pub const ALL: [(&'static str, Self); 14] = [
        ("keys", Self::Keys),
        ("iap_keys", Self::IapKeys),
        ("metadata", Self::Metadata),
        ("iam_credentials", Self::IamCredentials),
        ("token_endpoint", Self::TokenEndpoint),
        ("sts", Self::Sts),
        ("run_admin", Self::RunAdmin),
        ("pubsub", Self::Pubsub),
        ("cloud_tasks", Self::CloudTasks),
        ("cloud_scheduler", Self::CloudScheduler),
        ("iam", Self::Iam),
        ("resource_manager", Self::ResourceManager),
        ("compute", Self::Compute),
        ("iap", Self::Iap),
    ];

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, server)| *server == self);
        found.map(|(name, _)| *name).unwrap_or_default()
    }
}

/// How a service fails in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionSetting {
    /// As a [`RegionFault`] says. A region has one of them at a time.
    Fault(RegionFault),
    /// Connections are refused.
    Down,
    /// Tokens that were issued before the fault was put in force are not
    /// believed, as if their key had been withdrawn.
    RefuseTokensBeforeNow,
}

/// How minting fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// The metadata server leaves `exp` out.
    LeaveOutExp,
    /// Nobody gets an ID token for this audience.
    MintNothingFor(String),
}

impl FaultSetting {
    /// As [`read`](crate::file::faults::read) reads it.
    fn to_json(&self) -> Value {
        let (what, how) = match self {
            Self::Server(server, fault) => (server.name().into(), fault.to_json()),
            Self::Region { service, region, fault } => {
                (json!({ "service": service, "region": region }), fault.to_json())
            }
            Self::Tokens(TokenFault::LeaveOutExp) => ("tokens".into(), "leave_out_exp".into()),
            Self::Tokens(TokenFault::MintNothingFor(audience)) => {
                ("tokens".into(), json!({ "mint_nothing_for": audience }))
            }
            Self::Clock { offset } => {
                let direction = if *offset < 0 { "behind" } else { "ahead" };
                ("clock".into(), json!({ direction: format!("{}s", offset.unsigned_abs()) }))
            }
        };
        json!({ "what": what, "how": how })
    }
}

impl Serialize for FaultSetting {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(to)
    }
}

impl Fault {
    fn to_json(self) -> Value {
        match self {
            Self::Status(status) => json!({ "status": status.as_u16() }),
            Self::SlowDown(seconds) => json!({ "slow_down": format!("{seconds}s") }),
            Self::Hang => "hang".into(),
            Self::NotJson => "not_json".into(),
            Self::WrongContentType => "wrong_content_type".into(),
            Self::Oversized => "oversized".into(),
            Self::Reset => "reset".into(),
            Self::PermissionDenied => "permission_denied".into(),
            Self::ApiDisabled => "api_disabled".into(),
        }
    }
}

impl RegionSetting {
    fn to_json(self) -> Value {
        match self {
            Self::Fault(RegionFault::Latency(wait)) => {
                json!({ "latency": format!("{}ms", wait.as_millis()) })
            }
            Self::Fault(RegionFault::FrontEnd(status)) => json!({ "front_end": status.as_u16() }),
            Self::Fault(RegionFault::Hang) => "hang".into(),
            Self::Fault(RegionFault::Reset) => "reset".into(),
            Self::Down => "down".into(),
            Self::RefuseTokensBeforeNow => "refuse_tokens_before_now".into(),
        }
    }
}
