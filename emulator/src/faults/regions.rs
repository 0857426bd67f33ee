//! Putting faults in force, those of regions included.

use std::io;
use std::sync::OnceLock;

use remint_idtoken::UnixTime;

use super::{FaultSetting, Faults, RegionSetting};
use crate::run::Region;

/// The regions, which are known when their listeners run.
#[derive(Default)]
pub(crate) struct Regions(OnceLock<Vec<Region>>);

/// Why a fault can't be put in force.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// There is no such region.
    #[error("there is no service {service:?} in {region:?}")]
    Unknown {
        /// The service that was named.
        service: String,
        /// The region that was named.
        region: String,
    },
    /// A region that was down can't listen again.
    #[error("a region can't come back")]
    Restart(#[source] io::Error),
}

impl Regions {
    /// Says once which there are.
    pub(crate) fn open(&self, regions: Vec<Region>) {
        let _ = self.0.set(regions);
    }

    pub(crate) fn all(&self) -> &[Region] {
        self.0.get().map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn find(&self, service: &str, region: &str) -> Result<&Region, FaultError> {
        let is_it = |it: &&Region| it.service == service && it.region == region;
        self.all().iter().find(is_it).ok_or_else(|| FaultError::Unknown {
            service: service.to_owned(),
            region: region.to_owned(),
        })
    }

    /// Puts further faults in force; none if one of them can't be.
    pub(crate) async fn add(
        &self,
        faults: &Faults,
        settings: &[FaultSetting],
        now: UnixTime,
    ) -> Result<(), FaultError> {
        self.check(settings)?;
        for setting in settings {
            faults.put(setting);
            if let FaultSetting::Region { service, region, fault } = setting {
                let region = self.find(service, region)?;
                match fault {
                    RegionSetting::Fault(fault) => region.set_fault(Some(*fault)),
                    RegionSetting::Down => region.stop().await,
                    RegionSetting::RefuseTokensBeforeNow => region.refuse_tokens_before(now),
                }
            }
        }
        Ok(())
    }

    /// Puts these faults in force, and no others.
    pub(crate) async fn replace(
        &self,
        faults: &Faults,
        settings: &[FaultSetting],
        now: UnixTime,
    ) -> Result<(), FaultError> {
        self.check(settings)?;
        self.end(faults).await?;
        self.add(faults, settings, now).await
    }

    /// Ends all faults.
    pub(crate) async fn end(&self, faults: &Faults) -> Result<(), FaultError> {
        faults.clear();
        for region in self.all() {
            region.set_fault(None);
            region.refuse_tokens_before(UnixTime(0));
            region.start().await.map_err(FaultError::Restart)?;
        }
        Ok(())
    }

    /// All faults in force.
    pub(crate) async fn in_force(&self, faults: &Faults) -> Vec<FaultSetting> {
        let mut all = faults.in_force();
        for it in self.all() {
            let fault = it.faults.now().map(RegionSetting::Fault);
            let down = it.listener.is_stopped().await.then_some(RegionSetting::Down);
            let refuses = it.bindings.believed_from() > UnixTime(0);
            let refuses = refuses.then_some(RegionSetting::RefuseTokensBeforeNow);
            all.extend([fault, down, refuses].into_iter().flatten().map(|fault| {
                let (service, region) = (it.service.clone(), it.region.clone());
                FaultSetting::Region { service, region, fault }
            }));
        }
        all
    }

    fn check(&self, settings: &[FaultSetting]) -> Result<(), FaultError> {
        for setting in settings {
            if let FaultSetting::Region { service, region, .. } = setting {
                self.find(service, region)?;
            }
        }
        Ok(())
    }
}
